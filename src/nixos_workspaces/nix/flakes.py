"""The flake of a workspace on disk: static Nix files, the lock of the package set and ``workspace.json``.

The static files are never generated, ``workspace.json`` is data only. Files whose bytes would not change are not
touched, so that Nix's evaluation cache stays warm.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import BuildFailed, Unavailable
from nixos_workspaces.model.environment import Environment, environment
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.locks import hold
from nixos_workspaces.nix.package_set import PackageSet

SCHEMA = 1
TOPLEVEL = "nixosConfigurations.workspace.config.system.build.toplevel"
_INPUT = "nixpkgs"
_DATA_FILE = "workspace.json"
_LOCK_FILE = "flake.lock"
_STATIC = ("*.nix", "templates/**/*", "agent/*.[ch]", "agent/*.nix")
"""The files copied into every flake, as patterns below the directory of the static files."""
_LOCK_SECONDS = 300.0
_INPUTS = Path(__file__).with_name("inputs.nix")
_LOCAL = re.compile(r"(?:path:|[a-z+]*file:|[/.~])")
"""How a reference begins that names files of this machine."""
_PINNED = re.compile(r"[?&](?:narHash|rev)=")


@dataclass(frozen=True, slots=True)
class Grants:
    """Freedoms that the installation gives every workspace, besides what the workspace declares."""

    own_keys: bool = True
    """Keys in ``~/.ssh/authorized_keys`` open the workspace too."""
    foreign_scripts: bool = True
    """``/bin/bash`` exists, for scripts that were written for other distributions."""


def to_json(data: Environment, system: str, grants: Grants = Grants()) -> bytes:
    """Return ``workspace.json``: equal environments with equal grants are equal bytes."""
    content = {
        "schema": SCHEMA,
        "system": system,
        "template": data.template,
        "packages": list(data.packages),
        "ports": list(data.ports),
        "grants": asdict(grants),
    }
    return _json(content)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def from_json(content: bytes) -> Environment:
    """Return the environment of a ``workspace.json``; raises ``ValueError`` if it is none."""
    try:
        data = json.loads(content)
        return environment(str(data["template"]), list(map(str, data["packages"])), list(map(int, data["ports"])))
    except (KeyError, TypeError, OverflowError) as wrong:
        raise ValueError(f"not a workspace.json: {wrong!r}") from wrong


def reference(flake: Path) -> str:
    """Return how Nix is told to take the flake in this directory."""
    return f"path:{flake}"


class Flakes:
    """Makes flakes of workspaces: one locked base for all, a copy of it for each."""

    def __init__(
        self, directory: Path, source: Path, package_set: PackageSet, nix: Nix, grants: Grants = Grants()
    ) -> None:
        """Keep bases in ``directory``; ``source`` holds the static files."""
        self._directory = directory
        self._source = source
        self._package_set = package_set
        self._nix = nix
        self._grants = grants

    async def base(self) -> Path:
        """Return the directory of the static files with their lock; makes it where it is missing."""
        content = await asyncio.to_thread(_static_files, self._source)
        if "flake.nix" not in content:
            raise Unavailable(
                f"{self._source} holds no flake.nix: the installation is incomplete.", code="flake_missing"
            )
        digest = hashlib.sha256(self._package_set.locked.encode())
        for name, data in sorted(content.items()):
            digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
        base = self._directory / digest.hexdigest()[:32]
        if not base.is_dir():
            self._directory.mkdir(parents=True, exist_ok=True)
            async with hold(self._directory / "lock"):
                if not base.is_dir():
                    await self._make(base, content)
        return base

    async def write(self, flake: Path, data: Environment) -> None:
        """Make the flake of one workspace hold ``data``; atomic file by file, ``workspace.json`` last."""
        base = await self.base()
        await asyncio.to_thread(_copy, base, flake, to_json(data, self._nix.system, self._grants))

    async def _make(self, base: Path, content: Mapping[str, bytes]) -> None:
        """Write the static files and let Nix lock them; ``base`` is complete or absent."""
        with tempfile.TemporaryDirectory(dir=self._directory, prefix=".new-") as temporary:
            new = Path(temporary) / "flake"
            await asyncio.to_thread(_write, new, content)
            asked = await self._asked(new)
            refuse_unlocked(asked["inputs"])
            await self._nix.text(
                *("flake", "lock", reference(new), "--override-input", _INPUT, self._package_set.locked),
                timeout=_LOCK_SECONDS,
            )
            await self._keep_source()
            lock = _as_asked(json.loads((new / _LOCK_FILE).read_bytes()), asked["nixpkgs"])
            content = {_LOCK_FILE: json.dumps(lock, indent=2, sort_keys=True).encode()}
            await asyncio.to_thread(_write, new, content)
            new.rename(base)

    async def _asked(self, flake: Path) -> dict[str, Any]:
        """Return the answer of ``inputs.nix`` about a flake; its text reads nothing beyond itself meanwhile."""
        found: dict[str, Any] = await self._nix.json(
            *("--eval", "--strict", "--json", "--option", "restrict-eval", "true", "-I", _INPUTS, "-I", flake, _INPUTS),
            *("--argstr", "flake", flake),
            program="nix-instantiate",
            timeout=_LOCK_SECONDS,
        )
        return found

    async def _keep_source(self) -> None:
        """Keep the collector from the package set's own files: without them the next evaluation fetches them again."""
        metadata = await self._nix.json("flake", "metadata", "--json", self._package_set.locked, timeout=_LOCK_SECONDS)
        root = self._directory / "package-set"
        await self._nix.text(
            *("--realise", metadata["path"], "--add-root", root), program="nix-store", timeout=_LOCK_SECONDS
        )


def refuse_unlocked(inputs: Mapping[str, Any]) -> None:
    """Raise ``BuildFailed`` (code ``unlocked_input``) for an input that reads files of this machine.

    Whatever the service may read would get into the store, where everybody may read it. An input whose content is
    pinned by its hash or revision may; so may ``nixpkgs``, in the place of which the package set is put.
    """
    for name, written in inputs.items():
        url = str(written.get("url") or "")
        local = written.get("type") in {"path", "file"} or _LOCAL.match(url or str(written.get("path") or ""))
        pinned = _PINNED.search(url) or not {"narHash", "rev"}.isdisjoint(written)
        if local and not pinned and name != _INPUT:
            raise BuildFailed(
                f"The flake's input {name} ({url or written.get('path')}) would read files of this machine and is not "
                "locked. Remove it, or pin it by its narHash.",
                code="unlocked_input",
            )
        refuse_unlocked({f"{name}/{below}": item for below, item in written.get("inputs", {}).items()})


def environment_of(flake: Path) -> Environment | None:
    """Return the environment in the flake of a workspace; None before anything was written."""
    try:
        return from_json((flake / _DATA_FILE).read_bytes())
    except FileNotFoundError:
        return None


def declare_ports(flake: Path, ports: tuple[int, ...]) -> None:
    """Let the flake of a workspace name these ports; nothing is built of them."""
    file = flake / _DATA_FILE
    content = json.loads(file.read_bytes())
    replace_file(file, _json(content | {"ports": list(ports)}))


def replace_file(path: Path, content: bytes) -> None:
    """Make ``path`` hold ``content``, all at once; does not touch a file that does already."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write(directory: Path, content: Mapping[str, bytes]) -> None:
    """Make files below a directory hold their content. Waits for the disk: call it in a thread."""
    for name, data in content.items():
        replace_file(directory / name, data)


def _copy(base: Path, flake: Path, data: bytes) -> None:
    """Make the files of a flake those of its base, and its data last. Waits for the disk: call it in a thread."""
    wanted = {**_static_files(base), _LOCK_FILE: (base / _LOCK_FILE).read_bytes()}
    for name in _static_files(flake):
        if name not in wanted:
            (flake / name).unlink()
    _write(flake, {**wanted, _DATA_FILE: data})


def _static_files(directory: Path) -> dict[str, bytes]:
    """Return the static files of a flake by their name below ``directory``."""
    found = [path for pattern in _STATIC for path in directory.glob(pattern)]
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in found
        if path.is_file() and not path.name.startswith(".")
    }


def _as_asked(lock: dict[str, Any], origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lock with the reference of flake.nix itself as its ``original``.

    Nix records the overriding reference there; with the flake's own in its place the lock holds without any
    override, on other machines as well.
    """
    node = lock["nodes"]["root"]["inputs"][_INPUT]
    lock["nodes"][node]["original"] = dict(origin)
    return lock
