#!/usr/bin/env python3
"""Set up, run, test, check and measure NixOS Workspaces; the standard library is enough to start.

    python3 dev.py run [--host H] [--port P] [--data DIR] [--package-set SET] [--stop-workspaces]
    python3 dev.py test [--unit] [pytest arguments]
    python3 dev.py check
    python3 dev.py bench [names]
    python3 dev.py setup
    python3 dev.py wheel [--out DIR]

Every command first makes sure of what it needs: the virtual environment out of the hashed lock, the system packages,
Nix in a prefix of its own, the package set. What is there already is left alone; killing and repeating is safe.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from setup.machine import (
    NIXWS,
    PYTHON,
    ROOT,
    STATE,
    UI,
    VENV,
    all_steps,
    environment_steps,
    node_environment,
    ui_steps,
)
from setup.steps import Step, StepFailed, run_steps

WORKERS = 3
"""Tests that run at once: two cores bear more than two, for most of a test waits; with four, browsers starved."""

# Debian package -> a file, or a pattern of its path, that shows that it is there. Asking the file system takes
# microseconds, dpkg takes 20 ms.
RUN_PACKAGES = {
    "runc": "/usr/sbin/runc",
    "nftables": "/usr/sbin/nft",
    "libnftables1": "/usr/lib/x86_64-linux-gnu/libnftables.so.1",
    "e2fsprogs": "/sbin/mkfs.ext4",
    "golang-github-containers-common": "/usr/share/containers/seccomp.json",
    "lxcfs": "/usr/bin/lxcfs",
    "openssh-client": "/usr/bin/ssh",
}
TEST_PACKAGES = RUN_PACKAGES | {
    "chromium": "/usr/bin/chromium",
    "clang": "/usr/bin/clang",
    "debootstrap": "/usr/sbin/debootstrap",
    "firefox-esr": "/usr/bin/firefox-esr",
    "gcc": "/usr/bin/gcc",
    "git": "/usr/bin/git",
    "iproute2": "/usr/sbin/ip",
    "libclang-rt-dev": "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a",
    "make": "/usr/bin/make",
    "nginx-light": "/usr/sbin/nginx",
    "openssh-server": "/usr/sbin/sshd",
    "passt": "/usr/bin/pasta",
    "rsync": "/usr/bin/rsync",
    "systemd": "/usr/bin/systemd-analyze",
}

APART = {"NIXWS_PACKAGE_SET": "debian", "NIXWS_UPLINK": "none"}
"""Settings of tests and benchmarks: what runs in them has no way out but one that they make themselves."""


def sh(*argv: str | Path, **options: object) -> None:
    """Run a command and end with its exit code if it fails."""
    done = subprocess.run([str(word) for word in argv], check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        words = " ".join(str(word) for word in argv)
        sys.exit(f"dev: failed with exit code {done.returncode}: {words}")


def prepare(steps: Callable[[], Sequence[Step]]) -> None:
    """Do what is needed of a set-up, one at a time in this checkout; ends this program if a step fails."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            run_steps(steps(), STATE, held=[lock.fileno()])
        except StepFailed as failed:
            sys.exit(f"dev: {failed}")


def set_up(packages: dict[str, str], package_set: str, *, everything: bool = True) -> None:
    """Bring this machine to where the service and its tests can run; the service alone without ``everything``."""
    if os.geteuid() != 0:
        sys.exit("dev: the node makes containers and volumes and so needs root: sudo python3 dev.py …")
    prepare(lambda: all_steps(packages, package_set, everything=everything))


def run(options: argparse.Namespace) -> None:
    """Start the node and the control plane; replaces this process."""
    package_set = options.package_set or os.environ.get("NIXWS_PACKAGE_SET", "auto")
    set_up(RUN_PACKAGES, package_set, everything=False)
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
        prepare(environment_steps)
    else:
        set_up(TEST_PACKAGES, "debian")
        if not options.arguments:
            check(options)
    argv = [str(PYTHON), "-m", "pytest", *(["-m", "unit"] if options.unit else []), *options.arguments]
    if not options.arguments:
        argv += ["-n", str(WORKERS), "--durations", "15"]
    os.chdir(ROOT)
    os.execve(argv[0], argv, os.environ | APART | {"PYTHONWARNINGS": ""})


def check(_: argparse.Namespace) -> None:
    """Look at formatting, lint, types, layers and sizes; at the browser UI too, once it has been built here."""
    prepare(environment_steps)
    tool = VENV / "bin"
    quiet = {"cwd": ROOT}
    sh(tool / "ruff", "format", "--check", "--quiet", ".", **quiet)
    sh(tool / "ruff", "check", "--quiet", ".", **quiet)
    sh(tool / "mypy", **quiet)
    sh(tool / "lint-imports", "--no-logo", **quiet)
    sh(PYTHON, "-m", "pytest", "--quiet", "tests/test_architecture.py", **quiet)
    if (UI / "node_modules").exists():
        sh("npm", "run", "check", "--silent", cwd=UI, env=node_environment())


def bench(options: argparse.Namespace) -> None:
    """Run the benchmarks and print their figures beside those of their peers."""
    set_up(TEST_PACKAGES, "debian")
    os.chdir(ROOT)
    names = options.names or sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
    for name in names:
        sh(PYTHON, ROOT / "benchmarks" / f"{name}.py", env=os.environ | APART)


def wheel(options: argparse.Namespace) -> None:
    """Build the wheel, with the browser UI and the Nix files inside."""
    prepare(lambda: [*environment_steps(everything=False), *ui_steps()])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    sh(*pip, "--no-build-isolation", "--no-deps", "--wheel-dir", options.out, ROOT)
    print(next(options.out.glob("nixos_workspaces-*.whl")))


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
    verb = verbs.add_parser("wheel", help="build the wheel")
    verb.add_argument("--out", type=Path, default=ROOT / "dist", help="where to put it (default ./dist)")
    verb.set_defaults(run=wheel)
    return parser.parse_args(argv)


def main() -> None:
    """Do what the command line says."""
    os.umask(0o022)  # the service's unprivileged user reads this checkout's files
    # Whoever keeps byte code out of a tree pays for it here with every one of hundreds of processes.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options = arguments(sys.argv[1:])
    options.run(options)


if __name__ == "__main__":
    main()
