"""The wire types of how a person has arranged a workspace's terminals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.schemas.terminals import MOST_NAME_BYTES, TerminalName
from nixos_workspaces.schemas.wire import Answer, Request

MOST_TERMINALS = 128
MOST_DEPTH = 5
"""Splits within splits."""
_MOST_VERSION = 1 << 31
_LONGEST_PATH = 4095

_HEX = "[0-9a-f]{16}"
_ID = re.compile(_HEX)

TerminalKey = Annotated[str, Field(pattern=f"^{_HEX}$", description="The id of a terminal.")]
Share = Annotated[float, Field(ge=0.001, le=1000, allow_inf_nan=False)]


class LayoutPane(Request):
    """One terminal in its place."""

    terminal: TerminalKey
    share: Share = Field(default=1, description="Its part of the split that it is in, beside the shares of the others.")


class LayoutSplit(Request):
    """Places beside (row) or below (column) each other."""

    direction: Literal["row", "column"]
    parts: Annotated[list[LayoutNode], Field(min_length=2, max_length=MOST_TERMINALS)]
    share: Share = Field(default=1, description="Its part of the split that it is in, beside the shares of the others.")


LayoutNode = LayoutPane | LayoutSplit


class RememberedTerminal(Request):
    """A terminal as it was last seen, to be shown and opened again once it has ended."""

    name: TerminalName = ""
    process: Annotated[str, Field(max_length=MOST_NAME_BYTES)] = ""
    cwd: Annotated[str, Field(max_length=_LONGEST_PATH)] = ""
    ended: bool = False


class TerminalLayout(Request):
    """The tabs, what is in each, and what is remembered of their terminals."""

    tabs: Annotated[list[LayoutNode], Field(max_length=MOST_TERMINALS)] = Field(default_factory=list)
    front: Annotated[str, Field(pattern=f"^({_HEX})?$")] = Field(
        default="", description="The terminal that was used last; empty for none."
    )
    terminals: Annotated[dict[str, RememberedTerminal], Field(max_length=MOST_TERMINALS)] = Field(
        default_factory=dict, description="By the ids of the terminals."
    )
    boot: Annotated[str, Field(max_length=64)] = Field(
        default="", description="When the workspace was started whose terminals these are; empty where none were seen."
    )

    @field_validator("terminals")
    @classmethod
    def _are_named_by_ids(cls, terminals: dict[str, RememberedTerminal]) -> dict[str, RememberedTerminal]:
        # Not a pattern of the keys: generators of clients know no such schema.
        if not all(_ID.fullmatch(one) for one in terminals):
            raise PydanticCustomError("terminal_id", "the id of a terminal has 16 hexadecimal digits")
        return terminals

    @model_validator(mode="after")
    def _is_a_tree_of_different_terminals(self) -> Self:
        seen = [pane for tab in self.tabs for pane in _panes(tab, MOST_DEPTH)]
        if len(seen) > MOST_TERMINALS:
            raise PydanticCustomError("tabs", "a layout has at most 128 terminals")
        if len(set(seen)) < len(seen):
            raise PydanticCustomError("tabs", "a terminal has one place in a layout")
        return self


def _panes(node: LayoutNode, depth: int) -> Iterator[str]:
    if isinstance(node, LayoutPane):
        yield node.terminal
        return
    if depth == 0:
        raise PydanticCustomError("tabs", "splits are nested at most 5 deep")
    for part in node.parts:
        yield from _panes(part, depth - 1)


class LayoutChange(Request):
    """Another layout in the place of the one with this version."""

    version: Annotated[int, Field(ge=0, le=_MOST_VERSION)] = Field(
        description="Version of the layout that was changed; 0 where there was none."
    )
    layout: TerminalLayout


class LayoutAnswer(Answer):
    """The caller's layout."""

    version: int = Field(description="0 where there is none.")
    layout: TerminalLayout
