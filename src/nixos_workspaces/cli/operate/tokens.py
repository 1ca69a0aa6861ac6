"""``nixws token`` and ``nixws login-link``: for those who may write in the data directory.

They work on the database itself, whether or not the service runs.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nixos_workspaces.cli.target import DEFAULT_URL, Target, emit, printable, target_of
from nixos_workspaces.errors import Conflict, Forbidden, NotFound
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
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid so long; for ever if not given.")] = None,
) -> None:
    """Make a token and print it, this once only."""
    from nixos_workspaces.auth.policy import ADMIN

    lifetime = None if days is None else timedelta(days=days)
    secret, token = _with_tokens(target_of(context), lambda all_: all_.create(name, principal=ADMIN, lifetime=lifetime))
    if target_of(context).as_json:
        emit({"token": secret, "id": token.id, "name": token.name})
    else:
        print(secret)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the valid tokens; never their secrets."""
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
    """Make a token worthless, at once."""
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


def login_link(context: typer.Context) -> None:
    """Print a link that signs one browser in, once, within an hour."""
    target = target_of(context)
    code = _with_tokens(target, lambda all_: all_.login_code())
    link = f"{target.service_url() or DEFAULT_URL}/login?code={code}"
    if target.as_json:
        emit({"url": link})
    else:
        print(link)


def _with_tokens(target: Target, work: Callable[[Tokens], Awaitable[T]]) -> T:
    """Do ``work`` on the credentials in the data directory."""

    async def run() -> T:
        async with _opened(target.data) as tokens:
            return await work(tokens)

    import asyncio

    with files_of_owner(target.data):
        return asyncio.run(run())


@asynccontextmanager
async def _opened(data: Path) -> AsyncIterator[Tokens]:
    # The database's libraries take most of a second to import; only these verbs need them.
    from nixos_workspaces.services import open_tokens

    async with open_tokens(load({"data": data})) as tokens:
        yield tokens


@contextmanager
def files_of_owner(data: Path) -> Iterator[None]:
    """Let root leave no files of its own in a data directory that belongs to the service's user."""
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        owner = data.stat()
        if not os.access(data, os.W_OK | os.X_OK):
            raise PermissionError
    except OSError as closed:
        raise Forbidden(f"You may not write in {data}; give --data DIR, or ask its owner (sudo).") from closed
    try:
        yield
    finally:
        if os.geteuid() == 0 and owner.st_uid != 0:
            for path in data.iterdir():
                if path.lstat().st_uid == 0 and path.is_file() and not path.is_symlink():
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
