"""The index of packages: found in the right order, kept and read again, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from large_index import COUNT, RARE, large_index

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.environment import Environment, Package, Template
from nixos_workspaces.nix import Nix, PackageSet, PackageSetKind
from nixos_workspaces.nix.catalogue import Catalogue
from nixos_workspaces.nix.index import PackageIndex, from_lines, members, to_lines

PACKAGES = [
    Package("git", "2", "Distributed version control"),
    Package("git-lfs", "3", "Large files"),
    Package("gitAndTools", "1", "Old name"),
    Package("legit", "1", "Git for people"),
    Package("gh", "2", "The GitHub client, for git"),
    Package("curl", "8", "Transfers"),
]
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@pytest.mark.parametrize(
    ("query", "limit", "expected"),
    [
        ("git", 9, ["git", "git-lfs", "gitAndTools", "legit", "gh"]),
        ("git", 2, ["git", "git-lfs"]),
        ("GIT people", 9, ["legit"]),
        ("people git", 9, ["legit"]),
        ("for", 9, ["gh", "legit"]),
        ("nothing", 9, []),
        ("", 3, ["gh", "git", "curl"]),
        ("git", 0, []),
        ("git", -1, []),
    ],
)
def test_matches_come_best_first(query: str, limit: int, expected: list[str]) -> None:
    assert [one.name for one in PackageIndex(PACKAGES).search(query, limit)] == expected


def by_hand(packages: list[Package], query: str, limit: int) -> list[str]:
    """Rank every package by itself, as the documentation of a search says."""
    words = query.lower().split()
    first = words[0] if words else ""

    def rank(one: Package) -> int:
        name = one.name.lower()
        if name == first:
            return 1
        if name.startswith(first):
            return 2
        return 3 if first in name else 4

    matching = [one for one in packages if all(word in f"{one.name}\n{one.description}".lower() for word in words)]
    return [one.name for one in sorted(matching, key=lambda one: (rank(one), len(one.name), one.name))][:limit]


@given(
    st.dictionaries(st.text("abAB-", min_size=1, max_size=5), st.text("abAB ", max_size=8)),
    st.text("abAB ", max_size=5),
    st.integers(0, 6),
)
def test_any_search_finds_what_the_definition_does(names: dict[str, str], query: str, limit: int) -> None:
    packages = [Package(name, "1", description) for name, description in names.items()]
    assert [one.name for one in PackageIndex(packages).search(query, limit)] == by_hand(packages, query, limit)


@given(st.lists(st.builds(Package, st.text(), st.text(), st.text(), st.none() | st.integers(0)), min_size=1))
def test_what_is_kept_is_read_again(packages: list[Package]) -> None:
    index = PackageIndex(packages)
    assert list(from_lines(to_lines(index))) == list(index)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"[1,2,3,4]\n", b'["a","b"]\n', b"\xff", b'{"git": {}}', b"1\n"]
)
def test_anything_else_is_no_index(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_lines(content)


@given(st.dictionaries(st.text(), JSON), st.sampled_from([None, 1]))
def test_members_are_those_of_the_object(value: dict[str, Any], indent: int | None) -> None:
    assert dict(members(json.dumps(value, indent=indent))) == value


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a"', '{"a": 1', '{"a": 1,', '{"a": 1 "b": 2}', "{1: 2}", "null"])
def test_half_an_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dict(members(text))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A catalogue of a hundred thousand packages, without a Nix behind it."""
    directory: Path = tmp_path_factory.mktemp("index")
    package_set = PackageSet(PackageSetKind.CUSTOM, "path:/nowhere", "a large set", "path:/nowhere")
    made = Catalogue(directory, package_set, Nix(directory, (2, 26), {}), directory)
    made._index_file.write_bytes(to_lines(large_index()))
    made._templates = (Template("minimal", "", "", ""),)
    return made


async def test_a_hundred_thousand_names_are_searched(catalogue: Catalogue) -> None:
    """The stall detector of the suite looks at the event loop meanwhile."""
    assert len(await catalogue.packages()) == COUNT
    assert [one.name for one in await catalogue.search(RARE, 5)] == [RARE]
    assert len(await catalogue.search("e", 200)) == 200
    assert await catalogue.search("e no-package-has-this", 200) == ()


async def test_an_unknown_name_among_a_hundred_thousand_is_suggested_for(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(names: tuple[str, ...]) -> dict[str, str]:
        return dict.fromkeys(names, "missing")

    monkeypatch.setattr(catalogue, "_look_up", missing)
    with pytest.raises(InvalidInput, match=f"Did you mean .*{RARE}"):
        await catalogue.refuse_unknown(Environment("minimal", (RARE[:-1] + "x",)))


async def test_requests_share_the_loading(catalogue: Catalogue) -> None:
    found = await asyncio.gather(*(catalogue.search(RARE, 1) for _ in range(5)))
    assert len({one[0].name for one in found}) == 1
