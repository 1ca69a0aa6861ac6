"""The terminal holder's source files depend on each other in one direction, and every build compiles all of them."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

AGENT = Path(__file__).resolve().parent.parent / "agent"
OTHER_PROGRAMS = {"open_at_once.c"}
FILES = sorted(path.name for path in AGENT.glob("*.c") if path.name not in OTHER_PROGRAMS)

# What a parser has to skip: comments, strings and characters.
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)
FUNCTION = re.compile(r"^(?!static\b|typedef\b|extern\b)\w[\w *]*?(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
LOCAL_FUNCTION = re.compile(r"^static\b[\w *]*?(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
VARIABLE = re.compile(r"^(?:struct \w+|\w+)(?: |\s\*+)(\w+)(?:\[[^]]*\])?\s*(?:=[^;]*)?;", re.MULTILINE)
PROTOTYPE = re.compile(r"^\w[\w *]*?(\w+)\([^;{}]*\);", re.MULTILINE)


def code(name: str) -> str:
    """Return a file's text without comments and literals."""
    return NOT_CODE.sub(" ", (AGENT / name).read_text())


def exports(text: str) -> set[str]:
    """Return the names that other files can use."""
    return set(FUNCTION.findall(text)) | set(VARIABLE.findall(text))


def dependencies(texts: dict[str, str]) -> dict[str, set[str]]:
    """Return for every file the files whose functions it calls or whose variables it uses."""
    homes = {symbol: name for name, text in texts.items() for symbol in exports(text)}
    found: dict[str, set[str]] = {}
    for name, text in texts.items():
        own = exports(text) | set(LOCAL_FUNCTION.findall(text))
        used = set(re.findall(r"(?<![.>\w])(\w+)", text)) - own
        found[name] = {homes[symbol] for symbol in used & homes.keys()}
    return found


def test_no_source_file_is_in_a_cycle() -> None:
    graph = dependencies({name: code(name) for name in FILES})
    assert graph["holder.c"] >= {"client.c", "terminal.c"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these files call each other: {error.args[1]}")


def test_a_cycle_would_be_found() -> None:
    texts = {"a.c": "int one(void) { return two(); }\n", "b.c": "int two(void) { return one(); }\n"}
    assert dependencies(texts) == {"a.c": {"b.c"}, "b.c": {"a.c"}}
    local = {"a.c": "int one(void) { return two(); }\n", "b.c": "static int two(void) { return one(); }\n"}
    assert dependencies(local) == {"a.c": set(), "b.c": {"a.c"}}


def test_every_file_without_dependents_is_the_program() -> None:
    graph = dependencies({name: code(name) for name in FILES})
    assert set(FILES) - set().union(*graph.values()) == {"holder.c"}


def test_the_header_names_the_file_of_every_function_in_the_order_of_the_layers() -> None:
    sections = re.split(r"^/\* (\w+\.c) \*/$", (AGENT / "holder.h").read_text(), flags=re.MULTILINE)[1:]
    declared = {name: set(PROTOTYPE.findall(text)) for name, text in zip(sections[::2], sections[1::2], strict=True)}
    defined = {name: set(FUNCTION.findall(code(name))) for name in FILES}
    frames = set(PROTOTYPE.findall(code("frames.h")))
    assert declared | {"frames.c": frames, "holder.c": {"main"}} == defined
    graph = dependencies({name: code(name) for name in FILES})
    order = ["frames.c", *declared]
    assert {name: graph[name] - set(order[:at]) for at, name in enumerate(order) if graph[name] - set(order[:at])} == {}


def test_every_build_compiles_every_file() -> None:
    parts = re.findall(r"^PARTS = (.*)$", (AGENT / "Makefile").read_text(), re.MULTILINE)[0].split()
    packaged = re.findall(r"\b\w+\.c\b", (AGENT / "package.nix").read_text().split("nixws-terminals \\")[1])
    # The fuzzers bring a main and a spawn of their own.
    assert sorted([*parts, "holder.c", "spawn.c"]) == FILES
    assert sorted(packaged) == FILES
