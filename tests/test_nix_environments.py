"""Environments with the machine's real Nix; the tiny set where packages must misbehave or be quick."""

# ruff: noqa: ASYNC110, ASYNC220, ASYNC221, ASYNC240 - nothing else runs beside these tests; they poll with deadlines

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real_nix import FLAKE, REPOSITORY, Watched, build, machine_nix, open_environments

from nixos_workspaces.errors import BuildFailed, Conflict, InvalidInput, NotFound, Unavailable
from nixos_workspaces.model.closures.differences import difference
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.workspace import Phase
from nixos_workspaces.nix import BuildLimits, Grants, Nix
from nixos_workspaces.nix.flakes import environment_of
from nixos_workspaces.nix.locks import Sharing, hold


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that must come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def processes_with(text: str) -> list[str]:
    """Return the command lines of running processes that hold ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


async def test_real_system_is_built_and_shared(tmp_path: Path) -> None:
    """Two workspaces with equal environments out of the Debian set share one bootable toplevel."""
    environments = await open_environments(tmp_path, "debian")
    told = Watched()
    first = await build(environments, "ws-one", "jq", "git", watched=told)
    second = await build(environments, "ws-two", "git", "jq", "git")
    assert second.toplevel == first.toplevel
    assert (Path(first.toplevel) / "init").exists()
    assert Path(first.toplevel, "sw", "bin", "jq").resolve().is_relative_to("/nix/store")
    assert first.environment == environment("minimal", ["git", "jq"])
    assert told.progress[0].phase is Phase.EVALUATE
    assert any("evaluating" in line for line in told.lines)


async def test_packages_come_and_go(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    one = await build(environments, "ws-a", "alpha")
    two = await build(environments, "ws-a", "alpha", "beta")
    three = await build(environments, "ws-a", "beta")
    assert [one.number, two.number, three.number] == [1, 2, 3]
    assert "beta-1.0" not in Path(one.toplevel).read_text()
    assert "beta-1.0" in Path(two.toplevel).read_text()
    assert "alpha-1.0" not in Path(three.toplevel).read_text()
    kept = await environments.generations("ws-a")
    assert [(item.number, item.environment.packages) for item in kept] == [
        (1, ("alpha",)),
        (2, ("alpha", "beta")),
        (3, ("beta",)),
    ]


async def test_same_environment_makes_no_new_generation(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    first = await build(environments, "ws-a", "alpha")
    files = tmp_path / "workspaces" / "ws-a" / "flake"
    before = {path: path.stat().st_mtime_ns for path in files.rglob("*")}
    assert await build(environments, "ws-a", "alpha") == first
    assert {path: path.stat().st_mtime_ns for path in files.rglob("*")} == before


async def test_older_generation_is_selected(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    first = await build(environments, "ws-a", "alpha")
    await build(environments, "ws-a", "beta")
    assert await environments.select("ws-a", 1) == first
    assert os.path.realpath(tmp_path / "workspaces/ws-a/profile") == first.toplevel
    assert (await build(environments, "ws-a", "beta")).number == 2
    with pytest.raises(NotFound, match="there are: 1, 2"):
        await environments.select("ws-a", 3)
    with pytest.raises(NotFound):
        await environments.select("ws-unknown", 1)


async def test_generation_without_note_is_read_from_the_flake(tmp_path: Path) -> None:
    """A process killed between Nix's last act and its own loses nothing."""
    environments = await open_environments(tmp_path)
    built = await build(environments, "ws-a", "alpha", ports=(80,))
    (tmp_path / "workspaces/ws-a/profile-1.json").unlink()
    again = await open_environments(tmp_path)
    assert await again.generations("ws-a") == (built,)
    await build(again, "ws-a", "beta")
    assert [item.environment.packages for item in await again.generations("ws-a")] == [("alpha",), ("beta",)]


async def test_a_generation_tells_its_closure_and_how_another_differs(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    one = await build(environments, "ws-a", "alpha")
    other = await build(environments, "ws-a", "beta", "gamma")
    closures = environments.closures
    before, after = await closures.of(one.toplevel), await closures.of(other.toplevel)
    for generation, closure in ((one, before), (other, after)):
        listed = await environments._nix.text("path-info", "--recursive", generation.toplevel, timeout=20)
        assert [path.path for path in closure] == sorted(listed.split())
        assert {path for each in closure for path in each.references} <= {path.path for path in closure}
    found = difference(before, after)
    assert {part.name for part in found.added} == {"beta", "gamma"}
    assert {part.name for part in found.removed} == {"alpha"}
    assert found.bytes_added - found.bytes_removed == sum(p.bytes for p in after) - sum(p.bytes for p in before)
    with pytest.raises(NotFound, match="removed from the store"):
        await closures.of(f"/nix/store/{'0' * 32}-collected")


async def test_what_the_installation_grants_is_told_to_every_build(tmp_path: Path) -> None:
    for grants in (Grants(), Grants(own_keys=False, foreign_scripts=False)):
        await build(await open_environments(tmp_path, grants=grants), "ws-a", "alpha")
        told = json.loads((tmp_path / "workspaces/ws-a/flake/workspace.json").read_bytes())
        assert told["grants"] == {"own_keys": grants.own_keys, "foreign_scripts": grants.foreign_scripts}
        assert environment_of(tmp_path / "workspaces/ws-a/flake") == environment("minimal", ("alpha",))


async def test_ports_are_noted_with_the_present_generation(tmp_path: Path) -> None:
    """They are declared and listed, and nothing is built of them; other generations keep theirs."""
    environments = await open_environments(tmp_path)
    await environments.note_ports("ws-a", (1,))
    await build(environments, "ws-a", "alpha", ports=(80,))
    await build(environments, "ws-a", "beta", ports=(80,))
    await environments.note_ports("ws-a", (8080, 8081))
    await environments.note_ports("ws-a", (8080, 8081))
    found = await environments.generations("ws-a")
    assert [one.environment.ports for one in found] == [(80,), (8080, 8081)]
    declared = json.loads((tmp_path / "workspaces/ws-a/flake/workspace.json").read_text())
    assert (declared["packages"], declared["ports"]) == (["beta"], [8080, 8081])
    (tmp_path / "workspaces/ws-a/profile-2.json").unlink()
    await environments.note_ports("ws-a", ())
    await environments.select("ws-a", 1)
    await environments.note_ports("ws-a", (22,))
    assert [one.environment.ports for one in await environments.generations("ws-a")] == [(22,), ()]


async def test_forget_is_idempotent(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    await build(environments, "ws-a", "alpha")
    await environments.forget("ws-a")
    await environments.forget("ws-a")
    assert await environments.generations("ws-a") == ()
    assert not (tmp_path / "workspaces/ws-a").exists()
    assert not (tmp_path / "locks/workspace-ws-a").exists()
    assert (await build(environments, "ws-a", "beta")).number == 1


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}x", b'{"alpha": {"version": "1"}}', b'{"alpha": 1}', None])
async def test_a_list_of_packages_that_cannot_be_read_or_kept_is_made_again(tmp_path: Path, kept: bytes | None) -> None:
    """It may be of another version; and where nothing can be written (None) it serves all the same."""
    first = await open_environments(tmp_path)
    names = [item.name for item in await first.search("")]
    assert "alpha" in names
    (index,) = (tmp_path / "home").glob("packages-*.jsonl")
    index.unlink()
    if kept is None:
        index.mkdir()
    else:
        index.write_bytes(kept)
    again = await open_environments(tmp_path)
    with pytest.raises(InvalidInput, match="alpha"):
        await again.check(environment("minimal", ["alpa"], []))
    assert [item.name for item in await again.search("")] == names


async def test_templates_and_search_of_the_real_set(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path, "debian")
    templates = {item.name: item for item in await environments.templates()}
    assert {"minimal", "development", "python", "nodejs"} <= set(templates)
    assert all(item.title and item.description and item.icon for item in templates.values())
    found = await environments.search("git", 3)
    assert found[0].name == "git"
    assert found[0].version
    assert 50_000_000 < (found[0].size_bytes or 0) < 500_000_000
    assert len(await environments.search("", 7)) == 7
    assert await environments.search("no such words at all") == ()
    with pytest.raises(InvalidInput) as refused:
        await environments.search("x" * 500)
    assert refused.value.field == "query"


async def test_everything_the_templates_name_exists(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path, "debian")
    for template in await environments.templates():
        await environments.check(environment(template.name, template.packages))


@pytest.mark.parametrize(
    ("package", "answer"),
    [
        ("alhpa", "Did you mean alpha?"),
        ("Beta", "Did you mean beta?"),
        ("nested.tol", "Did you mean nested.tool?"),
        ("nested", "does not exist"),
        ("notAPackage", "does not exist"),
        ("alpha.name", "does not exist"),
        ("zzzzzzzz", "does not exist"),
    ],
)
async def test_unknown_package_names_the_nearest(tmp_path: Path, package: str, answer: str) -> None:
    environments = await open_environments(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        await environments.check(environment("minimal", ["alpha", package]))
    assert refused.value.code == "unknown_package"
    assert refused.value.field == f"packages.{sorted(['alpha', package]).index(package)}"
    assert answer in refused.value.message


async def test_known_names_pass_and_refused_ones_do_not(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    await environments.check(environment("minimal", ["alpha", "nested.tool"], [22, 65535]))
    with pytest.raises(InvalidInput) as refused:
        await environments.check(environment("minimal", ["refused"]))
    assert refused.value.code == "invalid_package"
    with pytest.raises(InvalidInput) as unknown:
        await environments.check(environment("minimel"))
    assert (unknown.value.code, unknown.value.field) == ("unknown_template", "template")
    assert "minimal" in unknown.value.message


@pytest.mark.parametrize(
    ("package", "code", "field", "words"),
    [
        ("quarrel", "build_failed", "packages.1", ["quarrel-1.0", "exit code 7", "fatal: three is wrong"]),
        ("silent", "build_failed", "packages.1", ["silent-1.0", "failed to produce output"]),
        ("forged", "build_failed", "packages.1", ["forged-1.0", "hash mismatch"]),
        ("hungry", "evaluation_memory", None, ["memory"]),
        ("circular", "build_failed", None, ["infinite recursion"]),
        ("endless", "build_timeout", None, ["3 seconds"]),
    ],
)
async def test_failed_build_tells_why(
    tmp_path: Path, package: str, code: str, field: str | None, words: list[str]
) -> None:
    """The cause comes first, the datum is named and the generation in force stays."""
    seconds = 3.0 if package == "endless" else 60.0
    environments = await open_environments(tmp_path, limits=BuildLimits(seconds, evaluation_bytes=256 << 20))
    before = await build(environments, "ws-a", "alpha")
    with pytest.raises(BuildFailed) as failed:
        await build(environments, "ws-a", "alpha", package)
    assert (failed.value.code, failed.value.field) == (code, field)
    for word in words:
        assert word in failed.value.message
    assert await environments.generations("ws-a") == (before,)
    assert (await build(environments, "ws-a", "alpha")) == before


async def test_builders_output_is_in_the_log(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    told = Watched()
    with pytest.raises(BuildFailed):
        await build(environments, "ws-a", "quarrel", watched=told)
    assert [line for line in told.lines if line.startswith("quarrel-1.0> ")] == [
        "quarrel-1.0> one",
        "quarrel-1.0> two",
        "quarrel-1.0> fatal: three is wrong",
    ]
    assert not any("\x1b" in line for line in told.lines)
    assert any(item.phase is Phase.BUILD for item in told.progress)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("{ services.nosuch.enable = true; }", ["services.nosuch", "does not exist"]),
        ('{ services.openssh.enable = "yes"; }', ["services.openssh.enable", "boolean"]),
    ],
)
async def test_fault_in_a_template_is_named(tmp_path: Path, module: str, words: list[str]) -> None:
    flake = tmp_path / "source"
    (flake / "templates").mkdir(parents=True)
    for path in [*FLAKE.glob("*.nix"), *FLAKE.glob("templates/*.nix")]:
        (flake / path.relative_to(FLAKE)).write_bytes(path.read_bytes())
    text = 'title = "A"; description = "B"; icon = "c"; packages = [ ];'
    (flake / "templates/minimal.nix").write_text(f"{{ {text} module = {module}; }}")
    environments = await open_environments(tmp_path / "data", "debian", flake=flake)
    with pytest.raises(BuildFailed) as failed:
        await build(environments, "ws-a")
    assert failed.value.field == "template"
    for word in words:
        assert word in failed.value.message


async def test_cancelled_build_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path)
    told = Watched()
    task = asyncio.create_task(build(environments, "ws-a", "endless", watched=told))
    await until(lambda: "endless-1.0> started" in told.lines)
    assert processes_with("while :; do :; done")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not processes_with("while :; do :; done"))
    assert not processes_with(str(tmp_path))
    assert await environments.generations("ws-a") == ()
    assert (await build(environments, "ws-a", "alpha")).number == 1


async def test_builds_are_limited_and_others_wait(tmp_path: Path) -> None:
    environments = await open_environments(tmp_path, limits=BuildLimits(builds=1))
    first, second = Watched(), Watched()
    running = asyncio.create_task(build(environments, "ws-a", "endless", watched=first))
    await until(lambda: "endless-1.0> started" in first.lines)
    waiting = asyncio.create_task(build(environments, "ws-b", "alpha", watched=second))
    await until(lambda: bool(second.progress))
    assert not second.lines
    running.cancel()
    assert (await waiting).number == 1


async def test_garbage_is_never_collected_beside_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, and across processes: the lock is the kernel's."""
    environments = await open_environments(tmp_path)
    await build(environments, "ws-a", "alpha")
    monkeypatch.setattr("nixos_workspaces.nix.environments._COLLECT_PATIENCE", 0.2)
    async with hold(tmp_path / "locks/garbage", Sharing.SHARED):
        with pytest.raises(Conflict) as busy:
            await environments.collect_garbage()
    assert busy.value.code == "build_running"
    told = Watched()
    async with hold(tmp_path / "locks/garbage", Sharing.EXCLUSIVE):
        waiting = asyncio.create_task(build(environments, "ws-a", "beta", watched=told))
        await until(lambda: environments._waiting == 1)
        assert (tmp_path / "workspaces/ws-a/profile").readlink() == Path("profile-1-link")
        assert not told.lines
    assert (await waiting).number == 2


# Without our daemon Nix gives up at open files of hostile workspaces, whose paths are too long for it.
@pytest.mark.parametrize("way", [pytest.param("direct", marks=pytest.mark.alone), "daemon"])
def test_collected_paths_are_gone(way: str) -> None:
    """In a store of its own: the machine's keeps what others left unrooted.

    Through a daemon as the node starts it, an open file whose path is too long for Nix does not matter.
    """
    words = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        str(REPOSITORY / "tests/garbage_scenario.py"),
        way,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["shared"] is True
    assert told["kept_while_one_refers"] is True
    assert told["gone_after_both"] is True
    assert told["freed"] > 1_900_000
    assert told["set_kept"] is True
    assert told["rebuilt_same"] is True


@pytest.mark.alone  # it counts endless builders, which other tests have too
async def test_unprivileged_user_builds_through_the_daemon(tmp_path: Path) -> None:
    """The control plane has no root: everything it does goes through a daemon's socket."""
    socket = tmp_path / "daemon.sock"
    environ = {**os.environ, "NIX_CONF_DIR": str(machine_nix().bin.parent / "etc")}
    daemon = subprocess.Popen(
        [machine_nix().bin / "nix-daemon"],
        env={**environ, "NIX_DAEMON_SOCKET_PATH": str(socket)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    data = tmp_path / "data"
    data.mkdir()
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    os.chown(data, 65534, 65534)
    try:
        await until(socket.exists)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        script = [sys.executable, str(REPOSITORY / "tests/unprivileged_scenario.py"), str(data)]
        remote = {"NIX_REMOTE": f"unix://{socket}", "PATH": os.environ["PATH"]}
        done = subprocess.run([*nobody, *script], env=remote, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["uid"] == 65534
        assert told["numbers"] == [1, 2]
        assert told["failed"] == "build_failed"
        assert told["cancelled_builder_is_gone"] is True
        roots = [os.path.realpath(link) for link in Path("/nix/var/nix/gcroots/auto").iterdir()]
        assert set(told["toplevels"]) <= set(roots)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait(10)


async def test_missing_daemon_is_unavailable(tmp_path: Path) -> None:
    nix = machine_nix()
    environments = await open_environments(tmp_path)
    environments._nix.environment["NIX_REMOTE"] = f"unix://{tmp_path}/nobody.sock"  # type: ignore[index]
    assert nix.bin.is_dir()
    with pytest.raises(Unavailable) as refused:
        await build(environments, "ws-a", "alpha")
    assert refused.value.code == "nix_daemon_unavailable"


@pytest.mark.parametrize("workspace_id", ["", "../x", "a/b", "A", "ws a", "-x", "x" * 65, "ws\n"])
async def test_hostile_ids_are_refused(tmp_path: Path, workspace_id: str) -> None:
    environments = await open_environments(tmp_path)
    for attempt in (
        environments.generations(workspace_id),
        environments.forget(workspace_id),
        environments.select(workspace_id, 1),
        build(environments, workspace_id, "alpha"),
    ):
        with pytest.raises(InvalidInput):
            await attempt


async def test_a_collection_gives_way_to_a_build(tmp_path: Path) -> None:
    """A collector that would run for an hour is ended as soon as a build begins, and can be run again."""
    nix = machine_nix()
    slow, begun = tmp_path / "slow", tmp_path / "begun"
    slow.mkdir()
    for program in nix.bin.iterdir():
        (slow / program.name).symlink_to(program)
    (slow / "nix").unlink()
    (slow / "nix").write_text(
        f'#!/bin/sh\ncase "$*" in *"store gc"*) touch {begun}; exec sleep 3600;; esac\nexec {nix.bin}/nix "$@"\n'
    )
    (slow / "nix").chmod(0o755)
    environments = await open_environments(tmp_path, nix=replace(nix, bin=slow))
    collecting = asyncio.create_task(environments.collect_garbage())
    await until(begun.exists)
    assert (await build(environments, "ws-a", "alpha")).number == 1
    with pytest.raises(Conflict) as gave_way:
        await collecting
    assert gave_way.value.code == "build_running"
    assert not processes_with("sleep 3600")


async def test_evaluations_beyond_the_bound_wait_and_say_how_many_are_before_them(tmp_path: Path) -> None:
    """Four at once, two of them equal, one turn: each is told what it waits for, the first one nothing."""
    environments = await open_environments(tmp_path, limits=BuildLimits(builds=4, evaluations=1))
    wanted = [("alpha",), (), ("alpha",), ("beta",)]
    told = [Watched() for _ in wanted]
    made = await asyncio.gather(
        *(build(environments, f"ws-{n}", *packages, watched=told[n]) for n, packages in enumerate(wanted))
    )
    assert made[0].toplevel == made[2].toplevel

    def waits(number: int) -> list[str]:
        return [one.message for one in told[number].progress if one.message.startswith("Waiting")]

    assert waits(0) == []
    assert waits(1) == ["Waiting, 1 before you"]
    assert waits(2)[0] == "Waiting for the build of an equal environment"
    assert waits(3)[0] == "Waiting, 2 before you"


async def test_sixty_creations_ask_nix_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal names that are asked for at the same time are one evaluation."""
    environments = await open_environments(tmp_path)
    asked: list[tuple[object, ...]] = []
    text = Nix.text

    async def counted(self: Nix, *words: Any, **options: Any) -> str:
        asked.append(words)
        return await text(self, *words, **options)

    monkeypatch.setattr(Nix, "text", counted)
    await asyncio.gather(*(environments.check(environment("minimal", ["alpha", "beta"])) for _ in range(60)))
    assert len(asked) == 2, asked  # the templates, and the names
