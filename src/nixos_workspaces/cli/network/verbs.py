"""``nixws network NAME``: show and change what a workspace may reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.network.forms import form
from nixos_workspaces.cli.target import emit, out, printable, target_of
from nixos_workspaces.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from nixos_workspaces.client.network import NetworkCalls
    from nixos_workspaces.model.network.entries import NetworkEntry
    from nixos_workspaces.schemas.network.answers import EntryAnswer, NetworkBounds, NetworkDetail, ProposalAnswer

_HELP = """Show or change what a workspace may reach.

    nixws network                                       the bounds of all workspaces

    nixws network NAME                                  shows it

    nixws network NAME open|balanced|locked|none|observe

    nixws network NAME allow packages.example:443 --for 1h

    nixws network NAME deny '*.tracker.example'

    nixws network NAME remove packages.example:443

    nixws network NAME denied [--follow]                what was refused

    nixws network NAME learn [--for 10m]                observes it, then proposes a list

    nixws network NAME finish|cancel                    ends learning, with a proposal or without

    nixws network NAME propose packages.example:443 --reason "for the build"

    nixws network NAME proposals

    nixws network NAME approve [ID] [--for 1h] [--mode locked]

    nixws network NAME reject [ID]"""


@dataclass(frozen=True, slots=True)
class _Options:
    """The options that were given besides the verb."""

    what: Sequence[str]
    length: str | None
    mode: str | None
    reason: str
    follow: bool
    as_json: bool


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command("network", help=_HELP)(network)


def network(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name or id of the workspace.", show_default=False)] = None,
    action: Annotated[str | None, typer.Argument(help="A mode or a verb; see above.", show_default=False)] = None,
    what: Annotated[
        list[str] | None, typer.Argument(help="Names, addresses, or a proposal's id.", show_default=False)
    ] = None,
    *,
    length: Annotated[
        str | None, typer.Option("--for", help="For how long: 90s, 10m, 1h, 7d.", show_default=False)
    ] = None,
    mode: Annotated[
        str | None, typer.Option("--mode", help="With approve: go to this mode too.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="With propose: why.", show_default=False)] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="With denied: go on with what comes.")] = False,
) -> None:
    """Do one verb."""
    target = target_of(context)
    options = _Options(what or (), length, mode, reason, follow, target.as_json)
    with target.client() as client:
        from nixos_workspaces.client.network import NetworkCalls, network_bounds

        if name is None:
            _print_bounds(network_bounds(client), options)
            return
        calls = NetworkCalls(client, client.workspaces.get(name).id)
        if action is None:
            _print(calls.get(), options)
        elif action in _MODES:
            _print(calls.put(_policy(calls.get(), mode=action)), options)
        elif action in _ACTIONS:
            _ACTIONS[action](calls, options)
        else:
            known = ", ".join([*_MODES, *_ACTIONS])
            raise InvalidInput(f"{action[:40]!r} is neither a mode nor a verb: there are {known}.", field="action")


def _allow(calls: NetworkCalls, options: _Options) -> None:
    _add(calls, options, "allow")


def _deny(calls: NetworkCalls, options: _Options) -> None:
    _add(calls, options, "deny")


def _add(calls: NetworkCalls, options: _Options, field: str) -> None:
    """Add entries to a list; one with the same target and ports is replaced."""
    wanted = _entries(options, opens=field == "allow")
    now = calls.get()
    kept = [one for one in getattr(now, field) if not any(_is_same(one, other) for other in wanted)]
    _print(calls.put(_policy(now, **{field: [*map(_of_answer, kept), *map(form, wanted)]})), options)


def _remove(calls: NetworkCalls, options: _Options) -> None:
    """Take entries out of both lists: those of a target, or only that with the ports that are given."""
    wanted, now = _entries(options, opens=False), calls.get()

    def left(entries: Sequence[EntryAnswer]) -> list[dict[str, Any]]:
        return [_of_answer(one) for one in entries if not any(_is_meant(one, other) for other in wanted)]

    allow, deny = left(now.allow), left(now.deny)
    if len(allow) + len(deny) == len(now.allow) + len(now.deny):
        raise NotFound(f"There is no entry {options.what[0][:80]!r}.", code="entry_not_found")
    _print(calls.put(_policy(now, allow=allow, deny=deny)), options)


def _denied(calls: NetworkCalls, options: _Options) -> None:
    found = calls.follow_denied() if options.follow else iter(calls.denied())
    try:
        for one in found:
            if options.as_json:
                emit(one.model_dump(mode="json"))
                continue
            where = one.name or one.address
            where += f" ({one.address})" if one.name and one.address else ""
            port = f":{one.port}" if one.port else ""
            times = f"  {one.count} times" if one.count > 1 else ""
            told = f"{where}{port} {one.protocol}  {one.program or '-'}{times}"
            print(f"{one.at.astimezone():%b %d %H:%M:%S}  {printable(told)}", flush=options.follow)
    except KeyboardInterrupt:
        return


def _learn(calls: NetworkCalls, options: _Options) -> None:
    _print(calls.learn(options.length or "10m"), options)


def _finish(calls: NetworkCalls, options: _Options) -> None:
    calls.end_learning(propose=True)
    _proposals(calls, options)


def _cancel(calls: NetworkCalls, options: _Options) -> None:
    _print(calls.end_learning(propose=False), options)


def _propose(calls: NetworkCalls, options: _Options) -> None:
    made = calls.propose({"entries": [form(one) for one in _entries(options)], "reason": options.reason})
    _print_proposals([made], options)


def _proposals(calls: NetworkCalls, options: _Options) -> None:
    _print_proposals(calls.proposals(), options)


def _approve(calls: NetworkCalls, options: _Options) -> None:
    wanted = {"ttl": options.length, "mode": options.mode}
    given = {name: value for name, value in wanted.items() if value is not None}
    _print(calls.approve(_chosen(calls, options), given), options)


def _reject(calls: NetworkCalls, options: _Options) -> None:
    _print_proposals([calls.reject(_chosen(calls, options))], options)


_MODES = ("open", "balanced", "locked", "none", "observe")
_ACTIONS: Mapping[str, Callable[[NetworkCalls, _Options], None]] = {
    "allow": _allow,
    "deny": _deny,
    "remove": _remove,
    "denied": _denied,
    "learn": _learn,
    "finish": _finish,
    "cancel": _cancel,
    "propose": _propose,
    "proposals": _proposals,
    "approve": _approve,
    "reject": _reject,
}


def _chosen(calls: NetworkCalls, options: _Options) -> str:
    """Return the id of the proposal that is meant: the given one, or the only one that waits."""
    if options.what:
        return options.what[0]
    waiting = [one.id for one in calls.proposals() if one.state == "pending"]
    if len(waiting) != 1:
        said = f"{len(waiting)} proposals wait: give the id of one." if waiting else "No proposal waits."
        raise NotFound(said, code="proposal_not_found")
    return waiting[0]


def _entries(options: _Options, *, opens: bool = True) -> list[NetworkEntry]:
    """Read the entries that were given."""
    if not options.what:
        raise InvalidInput("Give a name or an address, such as packages.example:443.", field="what")
    from nixos_workspaces.model.network.entries import parsed

    expires_at = None if options.length is None else datetime.now(UTC) + _length(options.length)
    return [parsed(text, expires_at, opens=opens) for text in options.what]


def _length(text: str) -> Any:
    """Read a length of time."""
    from pydantic import TypeAdapter, ValidationError

    from nixos_workspaces.schemas.wire import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as wrong:
        raise InvalidInput(f"{text[:40]!r} is no time such as 90s, 10m, 1h or 7d.", field="for") from wrong


def _of_answer(one: EntryAnswer) -> dict[str, Any]:
    """Return an entry of an answer as the API reads it."""
    return {name: value for name, value in one.model_dump(mode="json").items() if value is not None}


def _is_same(one: EntryAnswer, other: NetworkEntry) -> bool:
    """Tell whether both have the same target and ports."""
    wanted = form(other)
    return (one.name or one.cidr) == other.target and list(one.ports) == wanted["ports"]


def _is_meant(one: EntryAnswer, other: NetworkEntry) -> bool:
    """Tell whether an entry is meant by another that may leave the ports out."""
    return (one.name or one.cidr) == other.target and (not other.ports or _is_same(one, other))


def _policy(now: NetworkDetail, **changed: Any) -> dict[str, Any]:
    """Return the policy as the API reads it, with some of it changed, if it is still of the version that was read."""
    whole = {
        "mode": now.mode.value,
        "allow": [_of_answer(one) for one in now.allow],
        "deny": [_of_answer(one) for one in now.deny],
        "version": now.version,
    }
    return whole | changed


def _print(now: NetworkDetail, options: _Options) -> None:
    if options.as_json:
        emit({"network": now.model_dump(mode="json")})
    else:
        from nixos_workspaces.cli.network.views import network_view

        out().print(network_view(now))


def _print_bounds(bounds: NetworkBounds, options: _Options) -> None:
    if options.as_json:
        emit({"network": bounds.model_dump(mode="json")})
    else:
        from nixos_workspaces.cli.network.views import bounds_view

        out().print(bounds_view(bounds))


def _print_proposals(found: Sequence[ProposalAnswer], options: _Options) -> None:
    if options.as_json:
        emit({"proposals": [one.model_dump(mode="json") for one in found]})
    else:
        from nixos_workspaces.cli.network.views import proposals_view

        out().print(proposals_view(found))
