"""Values about the service itself: SSH keys, log lines, its sentences, findings of its health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SshKey:
    """The keys that an SSH client needs besides the address. Holds a secret: never log it."""

    private_key: str = field(repr=False)
    """Ed25519, in OpenSSH's private format."""
    host_key: str
    """The public line of the host key to expect."""
    username: str = "nixos"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a workspace's log, without its newline."""

    source: str
    """``build`` or ``boot``."""
    text: str
    at: datetime | None = None
    """When it was written; None where nobody noted it, as on a console."""


class JournalLevel(StrEnum):
    """The urgency of a journal entry, most urgent first (syslog(3))."""

    EMERG = "emerg"
    ALERT = "alert"
    CRIT = "crit"
    ERR = "err"
    WARNING = "warning"
    NOTICE = "notice"
    INFO = "info"
    DEBUG = "debug"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the journal of a running workspace."""

    at: datetime
    level: JournalLevel
    unit: str
    """The systemd unit that it is about; empty for none."""
    program: str
    """The program that wrote it; empty if it is not known."""
    text: str


_DISK = "The disk of {path} ({purpose}) has {free} GB of {total} GB left ({share} %)."
_VOLUMES = "The disk of the volumes has {free} GB of {total} GB left for new ones."
_SILENT = "It does not answer within 5 s."
_BACKGROUND_REMEDY = "It is tried again by itself; mend what it names, or look into the service's log."
_DATABASE_REMEDY = "Do what the finding says."
_ENGINE_REMEDY = "Start the node: nixws node, as root."

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        # How far the present work on a workspace has got
        "progress.queue": "Waiting, {before} before you",
        "progress.equal": "Waiting for the build of an equal environment",
        "progress.evaluate": "Evaluating the environment",
        "progress.build": "Building {name}",
        "progress.build_all": "Building the environment",
        "progress.fetch": "Fetching {name}",
        "progress.fetch_all": "Fetching the environment",
        # What an owner should know although nothing failed
        "notice.memory_one": "The memory limit was reached: 1 process was killed since the last boot. "
        "Give it more memory.",
        "notice.memory": "The memory limit was reached: {count} processes were killed since the last boot. "
        "Give it more memory.",
        # The health of the parts of the service
        "database.ok": "The database stores.",
        "database.problem": "{said}",
        "database.silent": _SILENT,
        "engine.ok": "The node answers.",
        "engine.problem": "{said}",
        "engine.silent": _SILENT,
        "engine.unseen": "The engine does not answer; see there.",
        "package_set.ok": "Workspaces are built from {set}.",
        "machines.ok": "Every machine belongs to a workspace.",
        "machines.unknown": "Machines exist that no workspace's record knows of: {names}.",
        "quarantine.ok": "Every machine could be taken up.",
        "quarantine.kept": "Machines are left alone: {told}.",
        "devices.ok": "The computer's null device is whole.",
        "devices.broken": "The computer that the workspaces run on is broken: {told}",
        "machine_devices.ok": "The null device of every running workspace is whole.",
        "machine_devices.broken": "Running workspaces are broken: {told}",
        "way_out.ok": "The way out: {told}.",
        "way_out.closed": "There is no way out, as is set.",
        "way_out.not": "Workspaces have no way out: {told}.",
        "limits_seen.ok": "Workspaces see their own limits in /proc.",
        "limits_seen.not": "Workspaces see this machine's memory and processors in /proc instead of their limits: "
        "{told}.",
        "logins.none": "No workspace has run for long enough to be logged in to yet.",
        "logins.ok": "Commands, terminals and files of {count} running workspaces answer; last tried at {at}.",
        "logins.bad": "{bad} of {count} running workspaces do not answer a login: {told}",
        "disk.room": _DISK,
        "disk.full": _DISK,
        "volumes.room": _VOLUMES,
        "volumes.full": _VOLUMES,
        "background.new": "The background task {task} has not succeeded yet.",
        "background.ok": "The background task {task} last succeeded at {at}.",
        "background.failed_new": "The background task {task} has not succeeded yet; it was started again {restarts} "
        "times: {said}",
        "background.failed": "The background task {task} last succeeded at {at}; it was started again {restarts} "
        "times: {said}",
    }
)
"""The sentences that the service says of its own accord, in English by code: a page says them in its language.

Errors have codes of their own (``errors``). Values are text; what other programs have said stands in them as it is.
"""

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "database.problem": _DATABASE_REMEDY,
        "database.silent": _DATABASE_REMEDY,
        "engine.problem": _ENGINE_REMEDY,
        "engine.silent": _ENGINE_REMEDY,
        "machines.unknown": "Put back the database they belong to, or remove them with the node's own tools. They are "
        "left alone.",
        "quarantine.kept": "Look at the node's log and mend what it names; the next start, stop or deletion tries "
        "again.",
        "devices.broken": "As its root, make it anew (rm -f /dev/null; mknod -m 666 /dev/null c 1 3), or restart the "
        "computer.",
        "machine_devices.broken": "Restart the workspace: its devices are made anew at each start.",
        "way_out.not": "Mend what is named, or choose another NIXWS_UPLINK (none: there is to be no way out); it is "
        "tried again by itself.",
        "limits_seen.not": "Install the package lxcfs on the node's machine, or mend what is named; it is tried again "
        "by itself.",
        "logins.bad": "Look at the workspace's log, and restart it. It is tried again every minute or so.",
        "disk.full": "Make room on the disk of {path}; until then nothing is built and no workspace is created.",
        "volumes.full": "Delete workspaces, or make room on the node's disk.",
        "background.failed_new": _BACKGROUND_REMEDY,
        "background.failed": _BACKGROUND_REMEDY,
    }
)
"""The remedies for what is wrong, by the code of the finding; what is well has none."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence by its code, with what is filled in."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentence in English."""
        return SENTENCES[self.code].format_map(self.values)

    @property
    def remedy(self) -> str:
        """The remedy in English; empty where nothing is wrong."""
        return REMEDIES.get(self.code, "").format_map(self.values)


def moment(at: datetime) -> str:
    """Return a moment as sentences have it, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class HealthItem:
    """One finding about the service, for ``/api/nixos/health`` and ``nixws doctor``."""

    code: str
    """Stable; for programs and documentation."""
    ok: bool
    finding: Sentence

    @property
    def message(self) -> str:
        """The finding in English."""
        return self.finding.text

    @property
    def remedy(self) -> str:
        """The remedy, in English; empty when ``ok``."""
        return self.finding.remedy
