#!/usr/bin/env python3
"""Set up, run, test, check and measure NixOS Workspaces; the standard library is enough to start.

    python3 dev.py run [--host H] [--port P] [--data DIR] [--package-set SET] [--stop-workspaces]
    python3 dev.py test [--unit] [pytest arguments]
    python3 dev.py check
    python3 dev.py bench [names]
    python3 dev.py setup

Every command first makes sure of what it needs: the virtual environment out of the hashed lock, the system packages,
Nix in a prefix of its own, the package set. What is there already is left alone; killing and repeating is safe.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
STATE = ROOT / ".dev"
VENV = ROOT / ".venv"
UI = ROOT / "ui"
PYTHON = VENV / "bin" / "python"
NIXWS = VENV / "bin" / "nixws"
SERVICE_USER = "nixws"
WORKERS = 4
"""Tests that run at once: most of a test's time is waiting, so that two cores bear more than two."""

# Debian package -> a file, or a pattern of its path, that shows that it is there. Asking the file system takes
# microseconds, dpkg takes 20 ms.
RUN_PACKAGES = {
    "runc": "/usr/sbin/runc",
    "nftables": "/usr/sbin/nft",
    "libnftables1": "/usr/lib/x86_64-linux-gnu/libnftables.so.1",
    "e2fsprogs": "/sbin/mkfs.ext4",
    "golang-github-containers-common": "/usr/share/containers/seccomp.json",
    "openssh-client": "/usr/bin/ssh",
}
TEST_PACKAGES = RUN_PACKAGES | {
    "chromium": "/usr/bin/chromium",
    "clang": "/usr/bin/clang",
    "gcc": "/usr/bin/gcc",
    "iproute2": "/usr/sbin/ip",
    "libclang-rt-dev": "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a",
    "make": "/usr/bin/make",
    "openssh-server": "/usr/sbin/sshd",
}


def say(text: str) -> None:
    """Tell the user what happens now."""
    print(f"dev: {text}", flush=True)


def sh(*argv: str | Path, **options: object) -> None:
    """Run a command and end with its exit code if it fails."""
    done = subprocess.run([str(word) for word in argv], check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        words = " ".join(str(word) for word in argv)
        sys.exit(f"dev: failed with exit code {done.returncode}: {words}")


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one set-up run at a time in this checkout."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_environment() -> None:
    """Make the virtual environment hold exactly the hashed lock and this checkout."""
    stamp = STATE / "environment"
    inputs = [ROOT / "requirements.lock", ROOT / "pyproject.toml"]
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in inputs) + sys.version.encode()).hexdigest()
    if NIXWS.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return
    if sys.version_info < (3, 11):
        sys.exit("dev: Python 3.11 or newer is needed")
    say("installing the Python packages of requirements.lock into .venv")
    pip: list[str | Path] = [PYTHON, "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
    sh(sys.executable, "-m", "venv", "--clear", VENV)
    sh(*pip, "--require-hashes", "-r", ROOT / "requirements.lock")
    sh(*pip, "--no-build-isolation", "--no-deps", "--editable", ROOT)
    stamp.write_text(fingerprint)


def ensure_system_packages(packages: dict[str, str]) -> None:
    """Install what is missing of the given Debian packages; elsewhere say what is missing."""
    missing = [name for name, witness in packages.items() if not any(Path("/").glob(witness[1:]))]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"dev: these system packages are needed, please install them: {' '.join(missing)}")
    say(f"installing system packages: {' '.join(missing)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # A policy of 101 keeps a package's own service (sshd) from being started.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        sh("apt-get", "-qq", "update", env=env)
        sh("apt-get", "-qq", "-y", "install", "--no-install-recommends", *missing, env=env, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            policy.unlink()


def ensure_service_user() -> None:
    """Make sure that the unprivileged user of ``nixws serve`` exists."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(SERVICE_USER)
        return
    say(f"making the system user {SERVICE_USER}")
    sh("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER)


def ensure_nix(package_set: str) -> None:
    """Make sure of Nix and, where it may be used, of the package set out of Debian packages."""
    sh(sys.executable, ROOT / "nix" / "install.py")
    if package_set in {"auto", "debian"} and shutil.which("apt-get"):
        sh(sys.executable, ROOT / "nix" / "debian" / "generate.py")


def ui_fingerprint() -> str:
    """Return what changes when the browser UI must be built anew."""
    digest = hashlib.sha256()
    for path in sorted(UI.rglob("*")):
        inside = path.relative_to(UI).parts
        if path.is_file() and inside[0] not in {"node_modules", "dist"}:
            digest.update(str(path.relative_to(UI)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def ensure_ui() -> None:
    """Build the browser UI where npm is; elsewhere the API and the command line work without it."""
    stamp = STATE / "ui"
    if not shutil.which("npm"):
        say("npm is not installed: the browser UI is not built (Node.js 20.19 or newer is needed for it)")
        return
    fingerprint = ui_fingerprint()
    if (UI / "dist" / "index.html").exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return
    say("building the browser UI")
    npm = {"cwd": UI, "stdout": subprocess.DEVNULL}
    sh("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", **npm)
    sh("npm", "run", "build", "--loglevel=error", **npm)
    stamp.write_text(fingerprint)


def set_up(packages: dict[str, str], package_set: str) -> None:
    """Bring this machine to where the service and its tests can run."""
    if os.geteuid() != 0:
        sys.exit("dev: the node makes containers and volumes and so needs root: sudo python3 dev.py …")
    with locked():
        ensure_environment()
        ensure_system_packages(packages)
        ensure_service_user()
        ensure_nix(package_set)
        ensure_ui()


def run(options: argparse.Namespace) -> None:
    """Start the node and the control plane; replaces this process."""
    package_set = options.package_set or os.environ.get("NIXWS_PACKAGE_SET", "auto")
    set_up(RUN_PACKAGES, package_set)
    argv = [str(NIXWS), "--data", str(options.data), "up", "--package-set", package_set]
    argv += ["--host", options.host] if options.host else []
    argv += ["--port", str(options.port)] if options.port is not None else []
    argv += ["--stop-workspaces"] if options.stop_workspaces else []
    os.execv(argv[0], argv)


def test(options: argparse.Namespace) -> None:
    """Check, then run every test on real parts; ends with pytest's exit code.

    With ``--unit`` only the tests that need nothing but Python, by any user. Given arguments, pytest alone decides.
    """
    if options.unit:
        with locked():
            ensure_environment()
    else:
        set_up(TEST_PACKAGES, "debian")
        if not options.arguments:
            check(options)
    argv = [str(PYTHON), "-m", "pytest", *(["-m", "unit"] if options.unit else []), *options.arguments]
    if not options.arguments:
        argv += ["-n", str(WORKERS), "--durations", "15"]
    os.chdir(ROOT)
    os.execve(argv[0], argv, os.environ | {"NIXWS_PACKAGE_SET": "debian", "PYTHONWARNINGS": ""})


def check(_: argparse.Namespace) -> None:
    """Look at formatting, lint, types, layers and sizes; at the browser UI too, once it has been built here."""
    with locked():
        ensure_environment()
    tool = VENV / "bin"
    quiet = {"cwd": ROOT}
    sh(tool / "ruff", "format", "--check", "--quiet", ".", **quiet)
    sh(tool / "ruff", "check", "--quiet", ".", **quiet)
    sh(tool / "mypy", **quiet)
    sh(tool / "lint-imports", "--no-logo", **quiet)
    sh(PYTHON, "-m", "pytest", "--quiet", "tests/test_architecture.py", **quiet)
    if (UI / "node_modules").exists():
        sh("npm", "run", "check", "--silent", cwd=UI)


def bench(options: argparse.Namespace) -> None:
    """Run the benchmarks and print their figures beside those of their peers."""
    set_up(TEST_PACKAGES, "debian")
    os.chdir(ROOT)
    names = options.names or sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
    for name in names:
        sh(PYTHON, ROOT / "benchmarks" / f"{name}.py", env=os.environ | {"NIXWS_PACKAGE_SET": "debian"})


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("run", help="start the system")
    verb.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    verb.add_argument("--port", type=int, help="port to listen on (default 5000)")
    verb.add_argument("--data", type=Path, default=ROOT / "data", help="data directory (default ./data)")
    verb.add_argument("--package-set", help="auto, nixpkgs, debian, or a flake reference (default auto)")
    verb.add_argument("--stop-workspaces", action="store_true", help="stop the workspaces at the end")
    verb.set_defaults(run=run)
    verb = verbs.add_parser("test", help="check and test everything")
    verb.add_argument("--unit", action="store_true", help="only what needs no root, node, Nix, compiler or browser")
    verb.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for pytest; without any, all is checked")
    verb.set_defaults(run=test)
    verbs.add_parser("check", help="formatting, lint, types, architecture").set_defaults(run=check)
    verb = verbs.add_parser("bench", help="measure")
    verb.add_argument("names", nargs="*", help="benchmarks, without .py (default all)")
    verb.set_defaults(run=bench)
    verbs.add_parser("setup", help="only prepare this machine").set_defaults(
        run=lambda _: set_up(TEST_PACKAGES, "debian")
    )
    return parser.parse_args(argv)


def main() -> None:
    """Do what the command line says."""
    os.umask(0o022)  # the service's unprivileged user reads this checkout's files
    options = arguments(sys.argv[1:])
    options.run(options)


if __name__ == "__main__":
    main()
