"""Bounds of a flake and of an evaluation, with the machine's real Nix."""

# ruff: noqa: ASYNC110 - nothing else runs beside these tests; they poll with deadlines

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from uuid import uuid4

import pytest
from real_nix import FLAKE, REPOSITORY, build, open_environments

from nixos_workspaces.errors import BuildFailed
from nixos_workspaces.model.environment import environment
from nixos_workspaces.nix import BuildLimits

SLACK = 5.0
"""Seconds that starting and killing Nix may take on a busy machine, less than the ten that production waits."""


def flake_with(folder: Path, inputs: str) -> Path:
    """Return a copy of the static files whose flake.nix asks for more inputs."""
    shutil.copytree(FLAKE, folder, ignore=shutil.ignore_patterns("debian"))
    shutil.copytree(REPOSITORY / "agent", folder / "agent", dirs_exist_ok=True)
    text = (folder / "flake.nix").read_text()
    changed = text.replace("  outputs =", f"  {inputs}\n\n  outputs =").replace("{ self, nixpkgs }", "{ nixpkgs, ... }")
    assert inputs in changed
    (folder / "flake.nix").write_text(changed)
    return folder


def evaluations_in(folder: Path) -> list[str]:
    """Return the processes of Nix that work for environments in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(entry.name)
    return found


@pytest.mark.parametrize(
    "inputs",
    [
        'inputs.evil.url = "path:{secret}";',
        'inputs.evil.url = "{secret}";',
        'inputs.evil.url = "git+file://{secret}";',
        'inputs.evil = {{ url = "tarball+file://{secret}/secret"; flake = false; }};',
        'inputs.evil = {{ type = "path"; path = "{secret}"; flake = false; }};',
        'inputs.nixpkgs.inputs.evil.url = "path:{secret}";',
    ],
)
async def test_an_unlocked_input_that_reads_the_machine_is_refused(tmp_path: Path, inputs: str) -> None:
    """Nix would copy what the service may read into the store, where everybody may read it."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "secret").write_text(uuid4().hex)
    (secret / "flake.nix").write_text("{ outputs = _: { }; }")
    flake = await asyncio.to_thread(flake_with, tmp_path / "source", inputs.format(secret=secret))
    environments = await open_environments(tmp_path / "data", flake=flake)
    with pytest.raises(BuildFailed) as refused:
        await build(environments, "ws-a", "alpha")
    assert refused.value.code == "unlocked_input"
    assert "evil" in refused.value.message
    assert "narHash" in refused.value.message
    text = (secret / "secret").read_text()
    in_the_store = await asyncio.to_thread(lambda: list(Path("/nix/store").glob("*/secret")))
    assert not [path for path in in_the_store if path.read_text() == text]


async def test_the_text_of_a_flake_reads_nothing_but_itself(tmp_path: Path) -> None:
    evil = 'inputs.evil.url = builtins.readFile "/etc/passwd";'
    flake = await asyncio.to_thread(flake_with, tmp_path / "source", evil)
    environments = await open_environments(tmp_path / "data", flake=flake)
    with pytest.raises(BuildFailed) as refused:
        await build(environments, "ws-a", "alpha")
    assert "root:" not in refused.value.message
    assert "restricted mode" in refused.value.message


async def test_nothing_is_built_while_evaluating(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    with pytest.raises(BuildFailed) as refused:
        await build(environments, "ws-a", "alpha", "imported")
    assert refused.value.code == "import_from_derivation"
    assert "text.nix-1.0 would have to be built while the environment is evaluated" in refused.value.message
    with pytest.raises(BuildFailed) as looked_up:
        await environments.check(environment("minimal", ["imported"]))
    assert looked_up.value.code == "import_from_derivation"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (BuildLimits(seconds=1.5, grace=0.3), "build_timeout"),
        (BuildLimits(evaluation_seconds=1.5, grace=0.3), "evaluation_timeout"),
    ],
)
async def test_an_evaluation_that_ignores_everything_is_killed(tmp_path: Path, limits: BuildLimits, code: str) -> None:
    """A loop inside a builtin hears no SIGTERM: Nix alone would go on for ever."""
    environments = await open_environments(tmp_path, limits=limits)
    began = time.monotonic()
    with pytest.raises(BuildFailed) as stopped:
        await build(environments, "ws-a", "stuck")
    assert time.monotonic() - began < 1.5 + 0.3 + SLACK
    assert stopped.value.code == code
    assert "1.5 seconds" in stopped.value.message
    async with asyncio.timeout(SLACK):
        while evaluations_in(tmp_path):
            await asyncio.sleep(0.02)
    assert (await build(await open_environments(tmp_path), "ws-a", "alpha")).number == 1


async def test_a_question_that_is_never_answered_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for what is asked about names before anything is built."""
    environments = await open_environments(tmp_path)
    await environments.check(environment("minimal", ["alpha"]))
    monkeypatch.setattr("nixos_workspaces.nix.catalogue._LOOKUP_SECONDS", 1.5)
    with pytest.raises(BuildFailed) as stopped:
        await environments.check(environment("minimal", ["stuck"]))
    assert stopped.value.code == "build_timeout"
    assert not evaluations_in(tmp_path)


async def test_builds_have_as_long_as_they_need_once_the_evaluation_is_done(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path, limits=BuildLimits(evaluation_seconds=1.5, seconds=4.0, grace=0.3))
    began = time.monotonic()
    with pytest.raises(BuildFailed) as stopped:
        await build(environments, "ws-a", "endless")
    assert stopped.value.code == "build_timeout"
    assert time.monotonic() - began >= 4.0
