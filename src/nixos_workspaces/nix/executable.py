"""Finding Nix and calling it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from nixos_workspaces.errors import BuildFailed, Unavailable, WorkspacesError
from nixos_workspaces.nix.reports.failures import explain
from nixos_workspaces.process import CommandFailed, run, run_async
from nixos_workspaces.settings import Settings

OLDEST_VERSION = (2, 18)
STATE_DIRECTORY = Path("/nix/var/nix")
DAEMON_SOCKET = STATE_DIRECTORY / "daemon-socket" / "socket"
_EVALUATING = (
    *("--extra-experimental-features", "nix-command flakes"),
    *("--option", "allow-import-from-derivation", "false"),
)
"""Nothing is built while evaluating: an evaluation is bounded, and a build shows as one."""
_SYSTEMS = {"x86_64": "x86_64-linux", "aarch64": "aarch64-linux"}
_INHERITED = (
    *("NIX_SSL_CERT_FILE", "SSL_CERT_FILE", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY"),
    *("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TMPDIR", "NIX_CONF_DIR", "NIX_CONFIG", "NIX_REMOTE"),
)
"""Variables of this process's environment that Nix inherits: access to the network and its own settings."""


@dataclass(frozen=True, slots=True)
class Nix:
    """One installation of Nix: where its executables are and the environment they are run with."""

    bin: Path
    version: tuple[int, ...]
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def find(cls, settings: Settings, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the Nix to use: the one in ``settings.nix_bin``, else the one on PATH.

        An unprivileged user goes through the Nix daemon; root uses the store itself unless NIX_REMOTE says
        otherwise. Raises ``Unavailable`` (code ``nix_missing``) where none is, or only one that is too old.
        """
        seen = []
        for directory in _candidates(settings.nix_bin, environ):
            version = _version(directory / "nix")
            if version >= OLDEST_VERSION:
                return cls(directory, version, _environment(directory, environ))
            seen.append(f"{directory / 'nix'} is {'.'.join(map(str, version))}")
        found = f" ({'; '.join(seen)})" if seen else ""
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise Unavailable(
            f"Nix {oldest} or newer is neither in {settings.nix_bin} nor on PATH{found}. Run nix/install.py, or "
            "install Nix, or set nix_bin.",
            code="nix_missing",
        )

    @property
    def system(self) -> str:
        """The platform that is built for, as Nix names it."""
        return _SYSTEMS.get(platform.machine(), f"{platform.machine()}-linux")

    def homed(self, directory: Path) -> Self:
        """Return the same Nix with its home and caches below ``directory``."""
        own = {"HOME": str(directory), "XDG_CACHE_HOME": str(directory / "cache"), "XDG_STATE_HOME": str(directory)}
        own |= {"XDG_CONFIG_HOME": str(directory / "config"), "XDG_DATA_HOME": str(directory / "data")}
        return replace(self, environment={**self.environment, **own})

    def limited(self, evaluation_bytes: int) -> Self:
        """Return the same Nix with a limit to the memory that an evaluation may take.

        The limit is the evaluator's own heap, so that builders (children of Nix where no daemon runs) are free of it.
        """
        return replace(self, environment={**self.environment, "GC_MAXIMUM_HEAP_SIZE": str(evaluation_bytes)})

    def command(self, *words: str | Path, program: str = "nix") -> list[str]:
        """Return the argv that runs ``nix WORDS``, or another of Nix's programs."""
        options = _EVALUATING if program in {"nix", "nix-instantiate"} else ()
        return [str(self.bin / program), *options, *map(str, words)]

    async def json(self, *words: str | Path, timeout: float, program: str = "nix") -> Any:
        """Run a command that prints JSON and return the value.

        Raises ``BuildFailed`` with Nix's cause as one sentence, ``Unavailable`` when Nix or its daemon cannot be run.
        """
        return json.loads(await self.text(*words, timeout=timeout, program=program))

    async def text(self, *words: str | Path, timeout: float, program: str = "nix", stderr: bool = False) -> str:
        """Run a command and return its standard output (with its standard error before it); raises like ``json``."""
        argv = self.command(*words, program=program)
        try:
            done = await run_async(argv, env=self.environment, timeout=timeout)
        except CommandFailed as failed:
            messages = failed.completed.stderr.decode(errors="replace")
            raise explain(messages, timeout=timeout if failed.timed_out else None) from failed
        except OSError as failed:
            raise not_runnable(self.bin, failed) from failed
        return ((done.stderr if stderr else b"") + done.stdout).decode(errors="replace")

    async def works(self, *words: str | Path, timeout: float) -> bool:
        """Tell whether a command succeeds within ``timeout`` seconds."""
        try:
            await self.text(*words, timeout=timeout)
        except (BuildFailed, Unavailable):
            return False
        return True


def not_runnable(directory: Path, cause: OSError) -> WorkspacesError:
    """Return the error for executables that vanished or may not be run."""
    what = f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
    return Unavailable(f"Nix in {directory} cannot be run: {what}.", code="nix_missing")


def _candidates(preferred: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the directories that hold a ``nix``, best first."""
    on_path = shutil.which("nix", path=environ.get("PATH", ""))
    directories = [preferred] if os.access(preferred / "nix", os.X_OK) else []
    return directories + ([Path(on_path).parent] if on_path else [])


def _version(executable: Path) -> tuple[int, ...]:
    """Return the version that ``nix --version`` tells; (0,) when it tells none."""
    try:
        done = run([executable, "--version"], env={"HOME": "/"}, timeout=10)
    except (CommandFailed, OSError):
        return (0,)
    told = re.search(rb"(\d+(?:\.\d+)+)", done.stdout)
    return tuple(map(int, told[1].split(b"."))) if told else (0,)


def _environment(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the executables of ``directory``."""
    chosen = {name: environ[name] for name in _INHERITED if name in environ}
    chosen["PATH"] = os.pathsep.join((str(directory), environ.get("PATH", os.defpath)))
    chosen["LC_ALL"] = "C.UTF-8"
    configuration = directory.parent / "etc"
    if (configuration / "nix.conf").is_file():
        chosen["NIX_CONF_DIR"] = str(configuration)
    if os.geteuid() != 0:
        chosen.setdefault("NIX_REMOTE", "daemon")
    return chosen
