"""One table of settings: the command line, the environment and the documentation come from here.

Every setting is read, in this order, from the command line (``--data``), the environment (``NIXWS_DATA``) and its
default. There is no configuration file; a service manager sets the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import InvalidInput


def _setting(default: object, text: str) -> Any:
    """Declare one setting with its default and its one line of documentation."""
    return field(default=default, metadata={"help": text})


class LogLevel(StrEnum):
    """The least severity of what is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ``nixws serve`` and ``nixws node``."""

    data: Path = _setting(Path("data"), "Directory of everything that is kept: database, keys, volumes, logs.")
    host: str = _setting("127.0.0.1", "Address that the API listens on.")
    port: int = _setting(5000, "TCP port that the API listens on; 0 takes a free one.")
    package_set: str = _setting("auto", "auto, nixpkgs, debian, or a flake reference of a package set.")
    nix_bin: Path = _setting(
        Path("/opt/nixws/nix/bin"), "Directory of the nix executables; PATH is tried when it is absent."
    )
    debian_set: Path = _setting(
        Path("/var/cache/nixws/debian-set"), "The generated package set out of Debian packages."
    )
    network: str = _setting("10.213.0.0/16", "IPv4 range of workspace addresses; routed on this machine only.")
    id_base: int = _setting(1_000_000_000, "First host user id of the ranges that workspaces are mapped to.")
    build_timeout: float = _setting(3600.0, "Seconds after which a build is stopped.")
    evaluation_timeout: float = _setting(600.0, "Seconds after which evaluating an environment is stopped.")
    build_memory_gb: float = _setting(4.0, "Memory in GB that evaluating an environment may take.")
    builds: int = _setting(2, "Builds that run at the same time.")
    boot_timeout: float = _setting(60.0, "Seconds within which a workspace's sshd must answer.")
    memory_overcommit: float = _setting(
        2.0, "The memory limits of all running workspaces together may be so many times the machine's memory."
    )
    max_body_bytes: int = _setting(1 << 20, "Largest JSON request body that is read.")
    max_upload_gb: float = _setting(64.0, "Largest upload of files in GB.")
    log_level: LogLevel = _setting(LogLevel.INFO, "debug, info (a line for each request), warning or error.")
    stop_workspaces: bool = _setting(False, "Stop the workspaces when the service is stopped.")

    @property
    def max_upload_bytes(self) -> int:
        """The largest upload in bytes."""
        return int(self.max_upload_gb * (1 << 30))

    @property
    def node_socket(self) -> Path:
        """The Unix socket on which the node answers the control plane."""
        return self.data / "node.sock"


def load(given: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in force.

    ``given`` holds what the command line set; None values mean "not given". Raises ``InvalidInput`` naming the
    setting whose value cannot be read.
    """
    changes: dict[str, Any] = {}
    for declared in fields(Settings):
        name = declared.name
        value = (given or {}).get(name)
        if value is None:
            value = environ.get(f"NIXWS_{name.upper()}")
        if value is not None:
            changes[name] = _convert(name, str(value), declared.default)
    settings = replace(Settings(), **changes)
    return replace(settings, data=settings.data.absolute())


_WORDS_OF_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def _convert(name: str, text: str, default: object) -> object:
    """Read one value as the type of its setting's default."""
    try:
        match default:
            case bool():
                return _WORDS_OF_BOOLEANS[text.lower()]
            case int():
                return int(text)
            case float():
                return float(text)
            case Path():
                return Path(text)
            case LogLevel():
                return LogLevel(text.lower())
            case _:
                return text
    except (KeyError, ValueError) as wrong:
        words = ", ".join(type(default)) if isinstance(default, StrEnum) else ""
        wanted = f"one of {words}" if words else f"a {type(default).__name__}"
        raise InvalidInput(f"Setting {name}: {text!r} is not {wanted}.", field=name) from wrong
