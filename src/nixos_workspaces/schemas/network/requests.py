"""The requests of the API about networks. Errors point at the part to blame: ``/allow/3/cidr``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import ConfigDict, Field

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT
from nixos_workspaces.model.network import NetworkEntry, NetworkPolicy, PortRange
from nixos_workspaces.model.network.entries import MOST_ENTRIES, MOST_PORT_RANGES, entry, port_ranges
from nixos_workspaces.model.network.proposals import LONGEST_LEARNING, MOST_PROPOSED, USUAL_LEARNING
from nixos_workspaces.schemas.wire import Duration, Mode, Moment, Request, absent

_LONGEST_TARGET = 300
_LONGEST_REASON = 500
_MOST_VERSION = 1 << 31

Port = Annotated[int, Field(ge=LOWEST_PORT, le=HIGHEST_PORT)]
PortSpan = Annotated[
    str, Field(min_length=1, max_length=11, description="Ports from the first to the last, such as 8000-8999.")
]
Version = Annotated[
    int,
    Field(
        ge=0,
        le=_MOST_VERSION,
        description="The version that was changed: refused if it is another by now. Left out: whatever it is.",
    ),
]


class EntryRequest(Request):
    """A name or a range of addresses; give exactly one of the two."""

    name: Annotated[
        str,
        Field(max_length=_LONGEST_TARGET, description="A host name, or *. and the name above all that are meant."),
    ] = Field(default_factory=absent)
    cidr: Annotated[
        str, Field(max_length=_LONGEST_TARGET, description="An address, or a range such as 192.0.2.0/24.")
    ] = Field(default_factory=absent)
    ports: Annotated[list[Port | PortSpan], Field(max_length=MOST_PORT_RANGES, description="Empty: all.")] = Field(
        default_factory=list
    )
    expires_at: Moment | None = Field(default=None, description="When it ends; null: never.")

    def to_model(self, *, opens: bool = True) -> NetworkEntry:
        """Return the entry in normal form; ``InvalidInput`` with ``name``, ``cidr``, ``ports`` or nothing as field."""
        ports: list[PortRange] = []
        for one in self.ports:
            ports += [PortRange(one, one)] if isinstance(one, int) else port_ranges(one)
        return entry(name=self.name, cidr=self.cidr, ports=ports, expires_at=self.expires_at, opens=opens)


Entries = Annotated[list[EntryRequest], Field(max_length=MOST_ENTRIES)]


class PolicyRequest(Request):
    """The wanted reach of a workspace, as a whole."""

    mode: Mode
    allow: Entries = Field(default_factory=list, description="At most 256 entries, together with deny.")
    deny: Entries = Field(default_factory=list, description="Wins over allow and over every mode.")
    version: Version = Field(default_factory=absent)

    def to_model(self) -> NetworkPolicy:
        """Return the policy; ``InvalidInput`` whose field points at the part to blame."""
        allow, deny = read_entries(self.allow, "/allow"), read_entries(self.deny, "/deny", opens=False)
        if len(allow) + len(deny) > MOST_ENTRIES:
            raise InvalidInput(
                f"A workspace has at most {MOST_ENTRIES} entries, allowed and denied ones together.",
                code="too_many_rules",
                field="/allow",
            )
        return NetworkPolicy(self.mode, allow, deny)


class FloorFile(PolicyRequest):
    """An administrator's floor, in a file."""

    reason: Annotated[str, Field(max_length=_LONGEST_REASON)] = ""


class ProposalRequest(Request):
    """Entries that somebody wants to be allowed."""

    entries: Annotated[list[EntryRequest], Field(min_length=1, max_length=MOST_PROPOSED)]
    reason: Annotated[str, Field(max_length=_LONGEST_REASON, description="Why, for those who decide.")] = ""

    def to_model(self) -> tuple[NetworkEntry, ...]:
        """Return the entries; ``InvalidInput`` whose field points at the part to blame."""
        return read_entries(self.entries, "/entries")


class ApprovalRequest(Request):
    """How a proposal is approved."""

    ttl: Duration | None = Field(default=None, description="For how long, such as 1h; null: for good.")
    mode: Mode | None = Field(
        default=None, description="Go to this mode with it, such as locked after learning; null: as it is."
    )


class LearnRequest(Request):
    """For how long a workspace is observed."""

    model_config = ConfigDict(populate_by_name=True)

    for_: Duration = Field(
        default=USUAL_LEARNING,
        alias="for",
        description=f"Such as 10m; at most {LONGEST_LEARNING.total_seconds() / 3600:g}h.",
        # As it is written here, not as pydantic writes times.
        json_schema_extra={"default": f"{USUAL_LEARNING.total_seconds() / 60:g}m"},
    )


def read_entries(given: Sequence[EntryRequest], place: str, *, opens: bool = True) -> tuple[NetworkEntry, ...]:
    """Return entries once each; the field of an ``InvalidInput`` points at the part to blame below ``place``."""
    found: dict[NetworkEntry, None] = {}
    for index, one in enumerate(given):
        try:
            found[one.to_model(opens=opens)] = None
        except InvalidInput as wrong:
            pointer = f"{place}/{index}" + (f"/{wrong.field}" if wrong.field else "")
            raise InvalidInput(f"{pointer}: {wrong.message}", code=wrong.code, field=pointer) from wrong
    return tuple(found)
