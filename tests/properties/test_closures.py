"""Differences of closures are exact, whatever the closures."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.model.closures.differences import PartChange, UnitChanges, difference
from nixos_workspaces.model.closures.paths import StorePath, name_and_version

LABELS = ("bash-5.2", "bash-5.3", "libssl3-3.0.22-1", "etc-profile", "unit-sshd.service", "user-unit-dbus.socket")


def path(label: str, build: int, size: int) -> StorePath:
    return StorePath(f"/nix/store/{build:032d}-{label}", size)


PATHS = st.builds(path, st.sampled_from(LABELS), st.integers(0, 2), st.integers(1, 1 << 30))
CLOSURES = st.lists(PATHS, max_size=12, unique_by=lambda one: one.path)


@pytest.mark.parametrize(
    ("label", "split"),
    [
        ("git-2.39.5-0+deb12u3", ("git", "2.39.5-0+deb12u3")),
        ("libgcc-s1-12.2.0-14", ("libgcc-s1", "12.2.0-14")),
        ("etc-profile", ("etc-profile", "")),
        ("unit-nixws-sshd-.service", ("unit-nixws-sshd", ".service")),
        ("passwd", ("passwd", "")),
        ("ends-", ("ends-", "")),
    ],
)
def test_names_are_split_as_nix_splits_them(label: str, split: tuple[str, str]) -> None:
    """The values are those of ``builtins.parseDrvName``."""
    assert name_and_version(label) == split


@given(CLOSURES, CLOSURES)
def test_every_path_counts_once_and_the_way_back_is_the_reverse(one: list[StorePath], other: list[StorePath]) -> None:
    sizes = {path.path: path.bytes for path in (*one, *other)}  # a store path has one size
    before = [StorePath(path.path, sizes[path.path]) for path in one]
    after = [StorePath(path.path, sizes[path.path]) for path in other]
    there, back = difference(before, after), difference(after, before)
    assert there.bytes_added - there.bytes_removed == sum(p.bytes for p in after) - sum(p.bytes for p in before)
    assert (there.bytes_added, there.bytes_removed) == (back.bytes_removed, back.bytes_added)
    assert [part.name for part in there.added] == [part.name for part in back.removed]
    assert there.units == UnitChanges(back.units.removed, back.units.added, back.units.changed)
    parts = (*there.added, *there.removed, *there.changed, *there.rebuilt)
    assert max(Counter(part.name for part in parts).values(), default=1) == 1
    units = [*there.units.added, *there.units.removed, *there.units.changed]
    is_same = {path.path for path in before} == {path.path for path in after}
    assert is_same == (not parts and not units)


def test_a_unit_that_is_there_twice_counts_with_all_its_paths() -> None:
    one, other = path("unit-sshd.service", 0, 1), path("unit-sshd.service", 1, 1)
    assert difference([one, other], [other]).units == UnitChanges(changed=("sshd.service",))


def test_a_change_is_told_by_versions_sizes_and_units() -> None:
    before = [
        path("bash-5.2", 1, 100),
        path("etc-profile", 1, 10),
        path("unit-sshd.service", 1, 1),
        path("jq-1.6", 1, 7),
    ]
    after = [path("bash-5.3", 2, 150), path("etc-profile", 2, 11), path("unit-web.service", 1, 1), path("tree-2", 1, 9)]
    found = difference(before, after)
    assert found.added == (PartChange("tree", (), ("2",), 0, 9),)
    assert found.removed == (PartChange("jq", ("1.6",), (), 7, 0),)
    assert found.changed == (PartChange("bash", ("5.2",), ("5.3",), 100, 150),)
    assert found.rebuilt == (PartChange("etc-profile", ("",), ("",), 10, 11),)
    assert found.units == UnitChanges(("web.service",), ("sshd.service",))
    assert (found.bytes_added, found.bytes_removed) == (171, 118)
