#!/usr/bin/env python3
"""Install a recent Nix into a private prefix, out of newer Debian packages.

For machines whose own Nix is missing or older than 2.18 and that reach a Debian mirror. Nothing of the host's own
packages, libc, apt sources, users, ``/etc/nix`` or ``/usr/local/bin`` is touched: the prefix and ``/nix`` are all that
is made. Nix keeps its libraries and its dynamic linker beside it in the prefix.

    sudo python3 nix/install.py [--prefix /opt/nixws/nix]

Running it again changes nothing. It may be killed at any moment and may run twice at once. The last line printed is the
directory of the executables. Afterwards (no daemon is started here):

    root:  NIX_CONF_DIR=PREFIX/etc PREFIX/bin/nix-daemon
    user:  NIX_CONF_DIR=PREFIX/etc NIX_REMOTE=daemon PREFIX/bin/nix ...

``PREFIX/etc/site.conf``, where it exists, is read after ``nix.conf`` (for a binary cache of one's own) and survives
upgrades.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from isolated_apt import AptFailed, IsolatedApt

OLDEST_USABLE = (2, 18)
LAYOUT = "2"
"""Raised when the contents of the prefix change, so that older prefixes are made anew."""
TRIPLET = "x86_64-linux-gnu"
NEEDED_AT_RUN_TIME = ("nix-bin_", "lib", "busybox-static_", "zlib1g_", "patchelf_")
"""Beginnings of the names of the packages that Nix needs to run; the rest of its closure serves the packaging."""
NAMES = (
    *(
        "nix",
        "nix-build",
        "nix-channel",
        "nix-collect-garbage",
        "nix-copy-closure",
        "nix-daemon",
        "nix-env",
        "nix-hash",
    ),
    *("nix-instantiate", "nix-prefetch-url", "nix-shell", "nix-store"),
)
STATE_DIRECTORIES = (
    "profiles",
    "profiles/per-user",
    "gcroots",
    "gcroots/per-user",
    "gcroots/auto",
    "db",
    "temproots",
    "daemon-socket",
)

CONFIGURATION = """\
# Written by install.py; put what is yours into site.conf beside this file.
experimental-features = nix-command flakes auto-allocate-uids
sandbox = true
# Builds run under user ids that exist for the build only: the host gets no build users.
auto-allocate-uids = true
build-users-group =
# The binary cache is Nix's own default: the package set out of Debian packages never asks it, nixpkgs needs it.
# "nixpkgs" must mean what a workspace's lock says, not what a global registry says today.
flake-registry =
warn-dirty = false
max-jobs = auto
trusted-users = root
allowed-users = *
# The static shell that builds are given as /bin/sh.
sandbox-paths = /bin/sh={prefix}/root/usr/bin/busybox
!include site.conf
"""


def main() -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(description="Install a recent Nix into a private prefix.")
    parser.add_argument(
        "--prefix", type=Path, default=Path("/opt/nixws/nix"), help="where to put it (default: %(default)s)"
    )
    parser.add_argument("--suite", default="trixie", help="Debian suite that it is taken from (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="install even if PATH already has a usable Nix")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("install.py: must run as root: it makes /nix and the prefix", file=sys.stderr)
        return 1
    prefix: Path = options.prefix.absolute()
    present = None if options.force else _usable_on_path()
    if present:
        print(f"nix: using {present}, which PATH names", flush=True)
        print(present.parent)
        return 0
    try:
        with _lock(prefix):
            _install(prefix, options.suite)
            _configure(prefix)
            _make_store()
    except (AptFailed, OSError, subprocess.CalledProcessError) as failed:
        print(f"install.py: {failed}", file=sys.stderr)
        return 1
    print(prefix / "bin")
    return 0


def version_of(nix: Path) -> tuple[int, ...]:
    """Return the version of an executable, () if it cannot tell."""
    with contextlib.suppress(OSError):
        said = subprocess.run([nix, "--version"], capture_output=True, text=True, check=False).stdout
        if found := re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said):
            return tuple(int(part) for part in found.groups() if part)
    return ()


def _usable_on_path() -> Path | None:
    found = shutil.which("nix")
    return Path(found) if found and version_of(Path(found)) >= OLDEST_USABLE else None


@contextlib.contextmanager
def _lock(prefix: Path) -> Iterator[None]:
    """Let one installation run at a time; the kernel drops the lock when its holder dies."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{prefix}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(prefix: Path, suite: str) -> None:
    """Make the prefix as a whole beside its place and rename it there."""
    mark = prefix / "installed"
    wanted = f"{suite} {LAYOUT}\n"
    if mark.is_file() and mark.read_text() == wanted and version_of(prefix / "bin/nix") >= OLDEST_USABLE:
        print(f"nix: {'.'.join(map(str, version_of(prefix / 'bin/nix')))} is installed in {prefix}", flush=True)
        return
    for left in prefix.parent.glob(f"{prefix.name}.staging-*"):
        shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(prefix=f"{prefix.name}.staging-", dir=prefix.parent))
    try:
        staging.chmod(0o755)
        print(f"nix: reading the package lists of Debian {suite}", flush=True)
        apt = IsolatedApt(staging / "apt", suite)
        apt.update()
        print("nix: downloading Nix and its libraries", flush=True)
        archives = apt.download_closure("nix-bin", "patchelf", "busybox-static")
        print("nix: unpacking", flush=True)
        _unpack(archives, staging / "root")
        _make_self_contained(staging / "root", prefix)
        shutil.rmtree(staging / "apt")
        _link(staging, prefix)
        (staging / "installed").write_text(wanted)
        _put_in_place(staging, prefix)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    version = version_of(prefix / "bin/nix")
    if version < OLDEST_USABLE:
        raise OSError(f"The Nix of Debian {suite} does not run here: `{prefix}/bin/nix --version` failed.")
    print(f"nix: installed {'.'.join(map(str, version))} in {prefix}", flush=True)


def _unpack(archives: list[Path], root: Path) -> None:
    """Unpack Nix's run-time packages into one tree; its /bin, /sbin, /lib, /lib64 are links into /usr."""
    (root / "usr").mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        if archive.name.startswith(NEEDED_AT_RUN_TIME):
            tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=tar.stdout, check=True)
            if tar.wait():
                raise subprocess.CalledProcessError(tar.returncode, "dpkg-deb")
    for unneeded in (
        "share/doc",
        "share/man",
        "share/locale",
        "share/lintian",
        f"lib/{TRIPLET}/gconv",
        f"lib/{TRIPLET}/perl-base",
    ):
        shutil.rmtree(root / "usr" / unneeded, ignore_errors=True)


def _make_self_contained(root: Path, prefix: Path) -> None:
    """Give the one real executable the prefix's dynamic linker and libraries.

    Patched and not wrapped: Nix starts itself again through /proc/self/exe. DT_RPATH, unlike DT_RUNPATH, also holds for
    the libraries that the executable loads, so they need no patch of their own.
    """
    here, final = root / "usr/lib" / TRIPLET, prefix / "root/usr/lib" / TRIPLET
    linker = "ld-linux-x86-64.so.2"
    patchelf: list[str | Path] = [here / linker, "--library-path", here, root / "usr/bin/patchelf"]
    change: list[str | Path] = ["--set-interpreter", final / linker, "--force-rpath", "--set-rpath", final]
    subprocess.run([*patchelf, *change, root / "usr/bin/nix"], check=True)


def _link(staging: Path, prefix: Path) -> None:
    """Give the executable its names, and carry the machine's own configuration over."""
    (staging / "bin").mkdir()
    for name in NAMES:
        (staging / "bin" / name).symlink_to("../root/usr/bin/nix")
    (staging / "etc").mkdir()
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(prefix / "etc/site.conf", staging / "etc/site.conf")


def _configure(prefix: Path) -> None:
    """Write ``nix.conf`` unless it says the same already; a Nix that starts meanwhile reads the old or the new one."""
    wanted, path = CONFIGURATION.format(prefix=prefix), prefix / "etc/nix.conf"
    if not path.is_file() or path.read_text() != wanted:
        staged = path.with_suffix(".staged")
        staged.write_text(wanted)
        staged.rename(path)


def _put_in_place(staging: Path, prefix: Path) -> None:
    """Rename the finished tree to its place; killed in between, the next run finds no mark and starts over."""
    old = Path(tempfile.mkdtemp(prefix=f"{prefix.name}.staging-", dir=prefix.parent))
    with contextlib.suppress(FileNotFoundError):
        prefix.rename(old / "old")
    staging.rename(prefix)
    shutil.rmtree(old)


def _make_store() -> None:
    """Make the store's directories where they are missing, with the permissions that Nix gives them."""
    for path, mode in (
        ("/nix/store", 0o1775),
        ("/nix/var/log/nix", 0o755),
        *((f"/nix/var/nix/{name}", 0o755) for name in STATE_DIRECTORIES),
    ):
        if not Path(path).is_dir():
            Path(path).mkdir(parents=True)
            Path(path).chmod(mode)


if __name__ == "__main__":
    sys.exit(main())
