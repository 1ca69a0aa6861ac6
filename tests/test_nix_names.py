"""Names: what is refused before Nix runs, and what is suggested."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_nix import machine_nix, open_environments

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.names import is_package_name
from nixos_workspaces.nix import Environments, Nix, PackageSet, PackageSetKind
from nixos_workspaces.nix.index import Names
from nixos_workspaces.nix.names import unknown

HOSTILE = [
    *(
        "",
        " ",
        "a;b",
        "a b",
        "${x}",
        "../x",
        "a/b",
        '"',
        "'",
        "a\nb",
        "git\n",
        "\ngit",
        "a\0b",
        "-rf",
        "--impure",
        "1a",
    ),
    *("a..b", ".a", "a.", "a.b.c.d.e.f", "a" * 200, "a" * 129, "naïve", "git\u200b", "\u0430lpha", "`id`", "$(id)"),
    *(
        "a#b",
        "a^out",
        "a\\b",
        "<nixpkgs>",
        "a=b",
        "a,b",
        "\ud800",
        "٣",
        "__functor\t",
        "(x: x)",
        "//",
        "a:b",
        "@a",
        "~",
    ),
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_name_is_refused_before_nix_runs(tmp_path: Path, name: str) -> None:
    """There is no Nix here at all: a call that reached it would be another error."""
    nowhere = Nix(tmp_path / "nowhere", (2, 26), {})
    package_set = PackageSet(PackageSetKind.CUSTOM, "path:/nowhere", "none", "path:/nowhere")
    environments = Environments(tmp_path, package_set, nowhere, tmp_path)
    data = environment("minimal", [name])
    for attempt in (environments.check(data), environments.build("ws-a", data, lambda _: None, lambda _: None)):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.code == "invalid_package"
        assert refused.value.field == "packages.0"
        refused.value.message.encode()
        assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    "template", ["", "../minimal", "Minimal", "mini mal", "a" * 200, "minimal\n", "${x}", "\ud800", "x.nix"]
)
async def test_hostile_template_is_refused(tmp_path: Path, template: str) -> None:
    environments = await open_environments(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        await environments.check(environment(template))
    assert (refused.value.code, refused.value.field) == ("unknown_template", "template")
    refused.value.message.encode()


@pytest.mark.parametrize("port", [0, -1, 65536, 10**20])
async def test_impossible_port_is_refused(tmp_path: Path, port: int) -> None:
    environments = await open_environments(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        await environments.check(environment("minimal", ports=[port]))
    assert (refused.value.code, refused.value.field) == ("invalid_port", "ports.0")


@pytest.mark.parametrize("name", ["git", "python3Packages.requests", "a'b", "_1", "a-b_c", "a" * 128, "a.1.2.3.4"])
def test_names_of_nixpkgs_are_accepted(name: str) -> None:
    assert is_package_name(name)


@pytest.mark.parametrize(
    ("written", "existing", "expected"),
    [
        ("gti", ["git", "gh", "curl"], ("git",)),
        ("node", ["nodejs", "nodejs_20", "notepad"], ("nodejs", "nodejs_20")),
        ("PYTHON3", ["python3", "python311"], ("python3", "python311")),
        ("", ["git"], ()),
        ("xyz", [], ()),
        ("qqqq", ["git", "curl"], ()),
    ],
)
def test_nearest_names(written: str, existing: list[str], expected: tuple[str, ...]) -> None:
    assert Names(existing).nearest(written) == expected


def test_unknown_reads_like_a_sentence() -> None:
    assert unknown("template", (), name="x").text == "The template x does not exist."
    assert unknown("template", ("a",), name="x").text == "The template x does not exist. Did you mean a?"
    assert unknown("package", ("a", "b", "c"), name="x", set="y").text == (
        "The package x does not exist in y. Did you mean a, b or c?"
    )


def test_nix_of_this_machine_is_recent_enough() -> None:
    assert machine_nix().version >= (2, 18)
