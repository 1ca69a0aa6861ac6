"""The answer to why a workspace does not do what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.model.service import Sentence


class Question(StrEnum):
    """A complaint about a workspace."""

    NOT_RUNNING = "not_running"
    UNREACHABLE = "unreachable"
    """Its terminals, commands or SSH do not answer."""
    FILES = "files"
    """Its files cannot be read or written."""
    SLOW = "slow"


class Line(StrEnum):
    """A line of the specification's section "Troubleshooting", in its order."""

    START_RESOURCES = "start.resources"
    START_INFRASTRUCTURE = "start.infrastructure"
    START_CONFIGURATION = "start.configuration"
    START_LOGS = "start.logs"
    TERMINAL_RUNNING = "terminal.running"
    TERMINAL_SSH = "terminal.ssh"
    TERMINAL_WEBSOCKET = "terminal.websocket"
    TERMINAL_NETWORK = "terminal.network"
    FILES_PERMISSIONS = "files.permissions"
    FILES_SSH = "files.ssh"
    FILES_SYSTEM = "files.system"
    FILES_SPACE = "files.space"

    @property
    def sentence(self) -> Sentence:
        """The line as the specification has it."""
        return Sentence(f"why.line.{self}")


class Outcome(StrEnum):
    """The outcome of looking at one line."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    """It could not be looked at, or the asker may not know."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line with what was found."""

    line: Line
    outcome: Outcome
    finding: Sentence


class NextAction(StrEnum):
    """The next step that helps."""

    NONE = "none"
    WAIT = "wait"
    START = "start"
    RESUME = "resume"
    RESTART = "restart"
    REBUILD = "rebuild"
    RESIZE = "resize"
    CHANGE_ENVIRONMENT = "change_environment"
    FREE_SPACE = "free_space"
    READ_LOG = "read_log"
    CLOSE_TERMINALS = "close_terminals"
    LOOK_AT_SERVICE = "look_at_service"
    DELETE = "delete"
    ASK_OWNER = "ask_owner"


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step, for a person, a terminal and a browser."""

    action: NextAction
    command: str = ""
    """A command line; empty where there is none."""
    link: str = ""
    """A path of the browser's pages; empty where there is none."""

    @property
    def said(self) -> Sentence:
        """The step in a sentence."""
        return Sentence(f"why.next.{self.action}")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, in one sentence, with what it was concluded from and the next step."""

    question: Question | None
    """The complaint that is answered; None where nothing is wrong."""
    said: Sentence
    evidence: tuple[Sentence, ...]
    next: NextStep
    checks: tuple[Check, ...]
    """Every line of the specification, in order."""
