"""The verb that compares generations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, printable, target_of
from nixos_workspaces.errors import NotFound

if TYPE_CHECKING:
    from nixos_workspaces.schemas.environments import DifferenceAnswer, PartAnswer

Name = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
Number = Annotated[int | None, typer.Argument(min=1, help="A generation, as `nixws generations` numbers them.")]


def diff(context: typer.Context, name: Name, first: Number = None, second: Number = None) -> None:
    """Tell how generations differ: without numbers the present one from the one before it."""
    from nixos_workspaces.client import PlanCalls

    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        if first is None:
            numbers = [one.number for one in client.workspaces.generations(name)]
            older = [number for number in numbers if number < (workspace.generation or 0)]
            if not older:
                raise NotFound("There is no earlier generation to compare with.", field="generation")
            first = max(older)
        found = PlanCalls(client, workspace.id).between(first, second)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
    else:
        print("\n".join(lines(found)))


def lines(found: DifferenceAnswer) -> Iterator[str]:
    """Yield the lines that say how two generations differ."""
    yield f"From generation {found.first} to {found.second}:"
    for mark, parts in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        for part in parts:
            yield f"  {mark} {_part(part)}"
    for mark, units in (("+", found.units.added), ("-", found.units.removed), ("~", found.units.changed)):
        for unit in units:
            yield f"  {mark} unit {printable(unit)}"
    if found.rebuilt:
        names = ", ".join(printable(part.name) for part in found.rebuilt)
        yield f"  built anew in the same version: {names}"
    if found.bytes_added or found.bytes_removed:
        yield f"  {_mib(found.bytes_added)} come, {_mib(found.bytes_removed)} go"
    else:
        yield "  nothing: both are the same system"


def _part(part: PartAnswer) -> str:
    """Return a part with its versions and by how much its size changes."""
    versions = [", ".join(filter(None, map(printable, each))) for each in (part.before, part.after)]
    told = " -> ".join(filter(None, versions))
    return f"{printable(part.name)} {told}".rstrip() + f"  {_mib(part.bytes_after - part.bytes_before, signed=True)}"


def _mib(size: int, *, signed: bool = False) -> str:
    return f"{size / (1 << 20):{'+' if signed else ''}.1f} MiB"
