"""``nixws token`` and ``nixws login-link``: for those who may write in the data directory.

They work on the database itself, whether or not the service runs. Where there is none and none is named, ``nixws
token`` asks the service that ``--url`` or ``nixws login`` names for tokens of the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nixos_workspaces.cli.operate.owner import as_owner
from nixos_workspaces.cli.target import DEFAULT_URL, Target, emit, printable, target_of
from nixos_workspaces.errors import Conflict, InvalidInput, NotFound
from nixos_workspaces.model.access.people import TOKEN_LIFETIME
from nixos_workspaces.settings import load

if TYPE_CHECKING:
    from nixos_workspaces.auth.tokens import Tokens

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for, such as ci.", show_default=False)],
    *,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help=f"Valid so long; {TOKEN_LIFETIME.days} if not given.", show_default=False),
    ] = None,
    never_expires: Annotated[
        bool, typer.Option("--never-expires", help="Valid until it is revoked; for administrators.")
    ] = False,
    scope: Annotated[
        list[str] | None, typer.Option(help="It may do only this, such as files:read; several times for more.")
    ] = None,
    workspace: Annotated[list[str] | None, typer.Option(help="It reaches only this workspace, by id.")] = None,
    user: Annotated[str | None, typer.Option(help="The service account that it is made for.")] = None,
) -> None:
    """Make a token and print it, this once only."""
    if days is not None and never_expires:
        raise InvalidInput("Give --days or --never-expires, not both.", field="days")
    lifetime = None if never_expires else TOKEN_LIFETIME if days is None else timedelta(days=days)
    if user is not None or _is_elsewhere(target_of(context)):
        _create_over_api(context, name, lifetime=lifetime, scopes=scope, workspaces=workspace, user=user)
        return
    from nixos_workspaces.auth.policy import ADMIN, Scope
    from nixos_workspaces.auth.tokens import Bounds

    unknown = [one for one in scope or () if one not in [*Scope]]
    if unknown:
        raise InvalidInput(f"There is no scope {unknown[0]}; there are {', '.join(Scope)}.", field="scope")
    bounds = Bounds(
        frozenset(Scope(one) for one in scope) if scope else None, frozenset(workspace) if workspace else None
    )
    secret, token = _with_tokens(
        target_of(context), lambda all_: all_.create(name, principal=ADMIN, lifetime=lifetime, bounds=bounds)
    )
    if target_of(context).as_json:
        emit({"token": secret, "id": token.id, "name": token.name})
    else:
        print(secret)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the valid tokens; never their secrets."""
    if _is_elsewhere(target_of(context)):
        _list_over_api(context)
        return
    from nixos_workspaces.auth.policy import ADMIN

    found = _with_tokens(target_of(context), lambda all_: all_.list(principal=ADMIN))
    if target_of(context).as_json:
        rows = [
            {
                "id": one.id,
                "name": one.name,
                "kind": one.kind.value,
                "created_at": one.created_at.isoformat(),
                "expires_at": one.expires_at and one.expires_at.isoformat(),
                "last_used_at": one.last_used_at and one.last_used_at.isoformat(),
            }
            for one in found
        ]
        emit({"tokens": rows})
        return
    for one in found:
        used = f"used {one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never used"
        print(f"{one.id}  {one.kind.value:<7}  {printable(one.name)}  made {one.created_at:%Y-%m-%d %H:%M}  {used}")


@app.command()
def revoke(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="NAME", help="Id or name of the token.", show_default=False)],
) -> None:
    """Make a token worthless, at once, with all that were made with it."""
    if _is_elsewhere(target_of(context)):
        _revoke_over_api(context, wanted)
        return
    from nixos_workspaces.auth.policy import ADMIN

    async def work(tokens: Tokens) -> str:
        known = await tokens.list(principal=ADMIN)
        found = [one for one in known if one.id == wanted] or [one for one in known if one.name == wanted]
        if not found:
            raise NotFound(f"There is no valid token {wanted!r}; `nixws token list` shows them.", field="name")
        if len(found) > 1:
            raise Conflict(f"{len(found)} tokens have the name {wanted!r}; give the id of one.", field="name")
        await tokens.revoke(found[0].id, principal=ADMIN)
        return found[0].id

    revoked = _with_tokens(target_of(context), work)
    if target_of(context).as_json:
        emit({"revoked": revoked})
    else:
        print(f"{revoked} is revoked")


def _is_elsewhere(target: Target) -> bool:
    """Tell whether the tokens are those of a service that is not the one of the data directory.

    Who names the directory means it, also before the service has run there.
    """
    if target.names_data or (target.data / "nixws.db").exists():
        return False
    return target.service_url() is not None


def _create_over_api(
    context: typer.Context,
    name: str,
    *,
    lifetime: timedelta | None,
    scopes: list[str] | None,
    workspaces: list[str] | None,
    user: str | None,
) -> None:
    wanted: dict[str, object] = {"name": name, "scopes": scopes, "workspaces": workspaces, "user": user}
    wanted |= {"never_expires": True} if lifetime is None else {"expires_in": f"{lifetime.days}d"}
    with target_of(context).client() as client:
        made = client.tokens.create({key: value for key, value in wanted.items() if value})
    if target_of(context).as_json:
        emit({"token": made.secret, "id": made.token.id, "name": made.token.name})
    else:
        print(made.secret)


def _list_over_api(context: typer.Context) -> None:
    with target_of(context).client() as client:
        found = client.tokens.list()
    if target_of(context).as_json:
        emit({"tokens": [one.model_dump(mode="json") for one in found]})
        return
    for one in found:
        ends = f"until {one.expires_at:%Y-%m-%d}" if one.expires_at else "for ever"
        print(f"{one.id}  {one.prefix}…  {printable(one.name)}  {', '.join(one.scopes or ['everything'])}  {ends}")


def _revoke_over_api(context: typer.Context, wanted: str) -> None:
    with target_of(context).client() as client:
        known = client.tokens.list()
        ids = [one.id for one in known if wanted in {one.id, one.name}] or [wanted]
        if len(ids) > 1:
            raise Conflict(f"{len(ids)} tokens have the name {wanted!r}; give the id of one.", field="name")
        client.tokens.revoke(ids[0])
    if target_of(context).as_json:
        emit({"revoked": ids[0]})
    else:
        print(f"{ids[0]} is revoked")


def login_link(context: typer.Context) -> None:
    """Print a link that signs one browser in as the first administrator, once, within an hour."""
    target = target_of(context)
    code = _with_tokens(target, lambda all_: all_.login_code())
    link = f"{target.service_url() or DEFAULT_URL}/login?code={code}"
    if target.as_json:
        emit({"url": link})
    else:
        print(link)


def _with_tokens(target: Target, work: Callable[[Tokens], Awaitable[T]]) -> T:
    """Do ``work`` on the credentials in the data directory."""
    # The database's libraries take most of a second to import; only these verbs need them. They may lie where the
    # owner of the data directory does not get.
    import asyncio

    from nixos_workspaces.services import open_tokens

    async def run() -> T:
        async with open_tokens(load({"data": target.data})) as tokens:
            return await work(tokens)

    with as_owner(target.data):
        return asyncio.run(run())
