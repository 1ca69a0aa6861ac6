"""Values about the service itself: SSH keys, log lines, its sentences, findings of its health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from nixos_workspaces.errors import Said
from nixos_workspaces.model.why.refusals import REFUSALS
from nixos_workspaces.model.why.sentences import WHY


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
        # Work in a workspace, and the reasons of stops
        "idle.input": "A terminal was typed in {seconds} s ago.",
        "idle.cpu": "{unit} uses {percent} % of a core.",
        "idle.disk": "{unit} reads and writes {rate} KB a second.",
        "idle.network": "{rate} KB a second go over its network.",
        "idle.unit": "{unit} runs, which counts as work here.",
        "idle.program": "{program} runs.",
        "idle.debugger": "A debugger holds {program}.",
        "idle.inhibitor": "{program} asks that it stay awake: {why}",
        "idle.timer": "{timer} is due at {at}.",
        "idle.unseen": "It does not tell its timers.",
        "idle.most": "The most CPU time: {unit}, {percent} % of a core.",
        "stop.asked": "{actor} stopped it.",
        "stop.pause_asked": "{actor} paused it.",
        "stop.idle": "Nothing worked in it for {minutes} minutes.",
        "stop.pause_idle": "Nothing worked in it for {minutes} minutes; its memory is kept.",
        "stop.budget": "The budget of the {kind} for this month is used up ({amount}).",
        "stop.schedule": "Its schedule stopped it ({cron}, {zone}).",
        # Advice about the size of a workspace
        "advice.too_early": "It has not run for long enough for advice: {minutes} minutes more.",
        "advice.cpu": "Nine tenths of the time it used {used} cores or less, and what it was held back by counts too.",
        "advice.memory": "It used at most {peak} GB of memory in the last day, without the cache.",
        "advice.oom": "A process was killed for want of memory; it used at most {peak} GB in the last day.",
        # Why the size of a workspace has changed by itself, or not
        "scaling.bounds": "It was smaller than its bounds, or a boost, say.",
        "scaling.over": "It was larger than is wanted now.",
        "scaling.oom_kill": "A process was killed for want of memory.",
        "scaling.memory_risk": "Its memory was about to run out.",
        "scaling.memory_pressure": "Its programs waited for memory.",
        "scaling.cpu_short": "Its cores were used up.",
        "scaling.memory_idle": "It had needed less memory for a while.",
        "scaling.cpu_idle": "It had needed fewer cores for a while.",
        "scaling.in_use": "It uses the memory that was to be taken away.",
        "scaling.no_room": "A quota, or the machine, has no room for more.",
        "scaling.budget": "The budget allows no more.",
        # The health of the parts of the service
        "commitment.within": "Running workspaces may use {cpu} of {cpu_total} cores and {memory} of {memory_total} GB.",
        "commitment.over": "Running workspaces may use {cpu} cores, more than the {cpu_total} there are, and {memory} "
        "of {memory_total} GB: under pressure each has its share by its size.",
        "database.ok": "The database stores.",
        "database.problem": "{said}",
        "database.silent": _SILENT,
        "schema.ok": "The database has the tables of this version.",
        "schema.unseen": "The database does not answer; see there.",
        "schema.other": "The database does not have the tables of this version.",
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
        "disk.short": _DISK,
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
    | dict(WHY)
    | dict(REFUSALS)
)
"""The sentences that the service says of its own accord, in English by code: a page says them in its language.

Errors have codes of their own (``errors``), and some a sentence besides. Values are text; what other programs have
said stands in them as it is.
"""

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "database.problem": _DATABASE_REMEDY,
        "database.silent": _DATABASE_REMEDY,
        "schema.other": "Restart the service, which migrates its database, or put back the database that it had.",
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
        "disk.short": "Make room on the disk of {path} soon; below 2 % nothing is built and no workspace is created.",
        "disk.full": "Make room on the disk of {path}; until then nothing is built and no workspace is created.",
        "volumes.full": "Delete workspaces, or make room on the node's disk.",
        "background.failed_new": _BACKGROUND_REMEDY,
        "background.failed": _BACKGROUND_REMEDY,
    }
)
"""The remedies for what is wrong, by the code of the finding; what is well has none."""


class Severity(StrEnum):
    """The urgency of a finding."""

    OK = "ok"
    NOTICE = "notice"
    """Nothing is wrong yet, or it cannot be told."""
    WARNING = "warning"
    """Something does not work as it should; what runs goes on."""
    CRITICAL = "critical"
    """The service cannot do its work."""


_NOTICES = frozenset({"engine.unseen", "schema.unseen", "disk.short"})
_CRITICAL = frozenset(
    {
        *("database.problem", "database.silent", "engine.problem", "engine.silent"),
        *("schema.other", "devices.broken", "disk.full"),
    }
)


def severity_of(code: str) -> Severity:
    """Return how urgent a finding is by its code: one with a remedy is a warning unless it is more or less."""
    if code in _CRITICAL:
        return Severity.CRITICAL
    if code in _NOTICES:
        return Severity.NOTICE
    return Severity.WARNING if code in REMEDIES else Severity.OK


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence by its code, with what is filled in."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Said] = field(default_factory=dict)
    """Values that are sentences themselves."""

    @property
    def text(self) -> str:
        """The sentence in English."""
        return SENTENCES[self.code].format_map(self.all_values)

    @property
    def all_values(self) -> Mapping[str, str]:
        """The values with the parts in English among them."""
        return {**self.values, **{name: part.text for name, part in self.parts.items()}}

    @property
    def remedy(self) -> str:
        """The remedy in English; empty where nothing is wrong."""
        return REMEDIES.get(self.code, "").format_map(self.values)


def sentence_to_json(said: Said) -> dict[str, Any]:
    """Return the JSON form of a sentence."""
    parts = {name: sentence_to_json(part) for name, part in said.parts.items()}
    return {"code": said.code, "values": dict(said.values)} | ({"parts": parts} if parts else {})


def sentence_from_json(data: Mapping[str, Any] | None) -> Sentence | None:
    """Return a sentence out of JSON; None for none, and for one that this version does not know."""
    if data is None or data["code"] not in SENTENCES:
        return None
    parts = {name: sentence_from_json(part) for name, part in data.get("parts", {}).items()}
    if None in parts.values():
        return None
    return Sentence(data["code"], data["values"], {name: part for name, part in parts.items() if part is not None})


class Cause(Protocol):
    """A failure as another sentence tells it: an error, or what was noted of one."""

    @property
    def code(self) -> str:
        """The code of the error."""

    @property
    def message(self) -> str:
        """The fact and the remedy, in English."""

    @property
    def said(self) -> Said | None:
        """The message by its code, where it has one."""


def quoting(code: str, cause: Cause, **values: str) -> Sentence:
    """Return the sentence ``code`` about a failure: its own is the value ``said``, its code the value ``problem``."""
    parts = {} if cause.said is None else {"said": cause.said}
    return Sentence(code, {"problem": cause.code, "said": cause.message, **values}, parts)


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
    def severity(self) -> Severity:
        """The urgency of the finding; only ``ok`` and ``notice`` are ``ok``."""
        return severity_of(self.finding.code)

    @property
    def message(self) -> str:
        """The finding in English."""
        return self.finding.text

    @property
    def remedy(self) -> str:
        """The remedy, in English; empty when ``ok``."""
        return self.finding.remedy
