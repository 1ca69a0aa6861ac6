#!/usr/bin/env python3
"""Generate the package set out of Debian packages: a pinned flake that stands in for nixpkgs out of reach.

    sudo python3 nix/debian/generate.py [--out /var/cache/nixws/debian-set] [--refresh]

Downloads the Debian packages that ``packages.json`` names, with all they depend on, through the machine's own apt
mirror (apt checks signatures and hashes), writes down what was found (``lock.json``) and packs it with the Nix files
of this folder into one small tarball. ``OUT/reference`` then holds the flake reference to use as ``inputs.nixpkgs``,
pinned by its hash; it is also the last line printed.

Running it again without a change takes no time and no network; ``--refresh`` asks the mirror for newer versions. Older
tarballs and packages stay, so that workspaces which were locked to them can still be built. It may be killed at any
moment and may run twice at once. Everything is readable by everybody: unprivileged users evaluate the set.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import node_modules  # noqa: E402 - found through the line above
from isolated_apt import AptFailed, IsolatedApt  # noqa: E402 - as above
from pack import flake_tarball  # noqa: E402 - as above
from resolve import Resolution, read_index, resolve  # noqa: E402 - as above

SET_FILES = ("*.nix", "nixos/*.nix", "builders/*.sh", "builders/fixups/*.sh", "packages.json")
"""The files of this folder that go into the flake."""
BUSYBOX = "busybox-static"
"""The one program that must exist before anything can be unpacked inside Nix."""


def main() -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(description="Generate the package set out of Debian packages.")
    parser.add_argument(
        "--out", type=Path, default=Path("/var/cache/nixws/debian-set"), help="where to put it (default: %(default)s)"
    )
    parser.add_argument("--refresh", action="store_true", help="ask the mirror for newer versions of the packages")
    options = parser.parse_args()
    out: Path = options.out.absolute()
    os.umask(0o022)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _lock(out / "lock"):
            reference = generate(out, refresh=options.refresh)
    except (AptFailed, OSError, subprocess.CalledProcessError, ValueError) as failed:
        print(f"generate.py: {failed}", file=sys.stderr)
        return 1
    print(reference)
    return 0


def generate(out: Path, *, refresh: bool) -> str:
    """Bring the set up to date and return its flake reference."""
    packages = json.loads((HERE / "packages.json").read_text())
    fingerprint = _fingerprint([HERE / "packages.json", HERE / "resolve.py"])
    lock_file = out / "lock.json"
    lock = json.loads(lock_file.read_text()) if lock_file.is_file() else {}
    store = out / "packages"
    store.mkdir(exist_ok=True)
    stale = refresh or lock.get("fingerprint") != fingerprint or not _complete(lock, store)
    if stale:
        lock["wheels"] = {name: _wheel(requirement, store) for name, requirement in sorted(packages["wheels"].items())}
    pins = _fingerprint([*node_modules.lock_files(), HERE / "node_modules.py"])
    with ThreadPoolExecutor(1) as beside:  # npm waits for a registry most of its time, apt for a mirror
        from_npm = None
        if refresh or lock.get("npm_fingerprint") != pins or not _are_there(lock["npm"].values(), store):
            from_npm = beside.submit(_lock_npm, store / lock["wheels"]["nodejs"]["file"], store)
        if stale:
            lock |= {"fingerprint": fingerprint, **_lock_packages(packages, out)}
        if from_npm is not None:
            lock |= {"npm_fingerprint": pins, "npm": from_npm.result()}
    text = json.dumps(lock, indent=1, sort_keys=True).encode() + b"\n"
    if not lock_file.is_file() or lock_file.read_bytes() != text:
        _write(lock_file, text)
    return _pack(out, lock_file)


def _lock_packages(packages: dict[str, Any], out: Path) -> dict[str, Any]:
    """Find and download the packages that the attributes need; returns their part of the lock."""
    store = out / "packages"
    apt = IsolatedApt(out / "apt", packages["suite"])
    print(f"package set: reading the package lists of Debian {packages['suite']}", flush=True)
    apt.update()
    found = resolve(read_index(apt.stanzas()), packages)
    missing = found.missing_from(store)
    print(f"package set: {len(found.packages)} Debian packages, {len(missing)} of them to download", flush=True)
    _download(apt, found, missing, store)
    return {
        "packages": str(store),
        "debs": {name: package.locked() for name, package in sorted(found.packages.items())},
    }


def _download(apt: IsolatedApt, found: Resolution, missing: list[str], store: Path) -> None:
    """Download packages beside the store of packages and move each there under its own name."""
    with tempfile.TemporaryDirectory(prefix="download-", dir=store.parent) as fresh:
        with _counted(Path(fresh), len(missing)):
            apt.download(Path(fresh), *(f"{name}={found.packages[name].full_version}" for name in missing))
        by_hash = {package.sha256: package.file for package in found.packages.values()}
        for archive in Path(fresh).iterdir():
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest not in by_hash:
                raise ValueError(f"{archive.name} is not the file that the package lists promise.")
            archive.chmod(0o644)
            archive.rename(store / by_hash[digest])


@contextlib.contextmanager
def _counted(directory: Path, total: int) -> Iterator[None]:
    """Tell once a second how many packages have been downloaded into a directory."""
    done = threading.Event()

    def count() -> None:
        while not done.wait(1):
            print(f"package set: {len(list(directory.glob('*.deb')))} of {total} packages downloaded", flush=True)

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield
    finally:
        done.set()
        counting.join()


def _wheel(requirement: str, store: Path) -> dict[str, Any]:
    """Download one prebuilt program that upstream publishes as a Python wheel."""
    if importlib.util.find_spec("pip") is None:
        raise ValueError(
            f"{sys.executable} has no pip, which downloads a part of the set: use the Python of a virtual environment "
            "(python3 -m venv)."
        )
    with tempfile.TemporaryDirectory(prefix="download-", dir=store.parent) as fresh:
        print(f"package set: downloading the wheel {requirement}", flush=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            fresh,
            requirement,
        ]
        subprocess.run(pip, check=True)
        wheel = next(Path(fresh).glob("*.whl"))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        with zipfile.ZipFile(wheel) as archive:
            size = sum(item.file_size for item in archive.infolist())
        wheel.chmod(0o644)
        wheel.rename(store / wheel.name)
    return {"file": wheel.name, "version": wheel.name.split("-")[1], "sha256": digest, "size": size}


def _lock_npm(node_wheel: Path, store: Path) -> dict[str, Any]:
    """Download the programs that npm has; one that cannot be had is left out, the set is whole without it."""
    found = {}
    for name in node_modules.programs():
        print(f"package set: downloading {name} with npm", flush=True)
        try:
            found[name] = node_modules.fetch(name, node_wheel, store)
        except subprocess.CalledProcessError:
            print(f"package set: {name} could not be had from npm and is left out; --refresh tries again", flush=True)
    return found


def _pack(out: Path, lock_file: Path) -> str:
    """Make the flake's tarball unless the same one is there; returns the reference."""
    files = sorted({path for pattern in SET_FILES for path in HERE.glob(pattern)})
    inputs = _fingerprint([*files, lock_file, HERE / "pack.py"])
    reference, made_of = out / "reference", out / "reference.inputs"
    if reference.is_file() and made_of.is_file() and made_of.read_text() == inputs:
        return reference.read_text().strip()
    contents = {str(path.relative_to(HERE)): (path.read_bytes(), False) for path in files}
    lock = json.loads(lock_file.read_text())
    contents["lock.json"] = (lock_file.read_bytes(), False)
    contents["bootstrap/busybox"] = (_busybox(out / "packages" / lock["debs"][BUSYBOX]["file"]), True)
    tarball, nar_hash = flake_tarball(contents)
    name = f"set-{hashlib.sha256(tarball).hexdigest()[:16]}.tar.gz"
    _write(out / name, tarball)
    text = f"tarball+file://{out / name}?narHash={nar_hash}"
    made_of.unlink(missing_ok=True)
    _write(reference, f"{text}\n".encode())
    _write(made_of, inputs.encode())
    print(f"package set: {len(lock['debs'])} Debian packages, {len(tarball) / 1e6:.1f} MB of flake", flush=True)
    return text


def _busybox(archive: Path) -> bytes:
    with tempfile.TemporaryDirectory(dir=archive.parent.parent, prefix="unpack-") as tree:
        subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
        return next(path for path in Path(tree).rglob("bin/busybox") if path.is_file()).read_bytes()


def _complete(lock: dict[str, Any], store: Path) -> bool:
    """Tell whether every locked package and wheel is still there."""
    found = (*lock.get("debs", {}).values(), *lock.get("wheels", {}).values())
    return bool(found) and _are_there(found, store)


def _are_there(entries: Iterable[dict[str, Any]], store: Path) -> bool:
    return all((store / entry["file"]).is_file() for entry in entries)


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or the next run after a crash, sees all of it or none."""
    staged = path.with_name(f".{path.name}.staged")
    with staged.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one run work at a time, and remove the leftovers of a killed one."""
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for pattern in ("download-*", "unpack-*"):
            for left in path.parent.glob(pattern):
                shutil.rmtree(left)
        yield


if __name__ == "__main__":
    sys.exit(main())
