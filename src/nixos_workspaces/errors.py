"""The errors of NixOS Workspaces.

Every error carries a stable ``code`` (for programs), a ``message`` that states the fact and what to do (for
people) and, where one input is to blame, the ``field``. Foreign errors become one of these where they come in; the
web edge turns these into HTTP in one table. No error knows an HTTP status.

    WorkspacesError
     ├─ InvalidInput            the request itself is wrong; repeating it will not help
     ├─ Unauthenticated         no valid credential was given
     ├─ Forbidden               the credential is valid, the action is not allowed
     ├─ NotFound                no such workspace, template, generation, ...
     ├─ Conflict                the request does not fit the present state
     ├─ LimitExceeded           a quota or a rate was exceeded; later may help
     ├─ InsufficientResources   the machine has not enough memory, storage, ... left
     ├─ Unavailable             a part that is needed does not answer; retrying later may help
     ├─ BuildFailed             Nix refused to evaluate or build an environment
     └─ RuntimeFailed           the runtime could not perform a step on a workspace
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol


class Said(Protocol):
    """A sentence by its code, which a page can say in its own language: ``model.service.Sentence``."""

    @property
    def code(self) -> str:
        """Stable, for programs."""

    @property
    def values(self) -> Mapping[str, str]:
        """The texts that are filled in, by name."""

    @property
    def parts(self) -> Mapping[str, Said]:
        """The sentences that are filled in, by name."""

    @property
    def text(self) -> str:
        """The sentence in English."""


class WorkspacesError(Exception):
    """Base of every error that this package raises on purpose."""

    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str | Said, *, code: str | None = None, field: str | None = None) -> None:
        """State the fact and the remedy in ``message``; never put a secret into it."""
        self.said = None if isinstance(message, str) else message
        """The message by its code, where it has one."""
        self.message = message if isinstance(message, str) else message.text
        super().__init__(self.message)
        self.code = code or self.default_code
        self.field = field


class InvalidInput(WorkspacesError):
    """The request itself is wrong."""

    default_code = "invalid_input"


class Unauthenticated(WorkspacesError):
    """No valid credential was given."""

    default_code = "unauthenticated"


class Forbidden(WorkspacesError):
    """The credential is valid, the action is not allowed."""

    default_code = "forbidden"


class NotFound(WorkspacesError):
    """The named thing does not exist."""

    default_code = "not_found"


class Conflict(WorkspacesError):
    """The request does not fit the present state."""

    default_code = "conflict"


class LimitExceeded(WorkspacesError):
    """A quota or a rate was exceeded."""

    default_code = "limit_exceeded"


class InsufficientResources(WorkspacesError):
    """The machine has not enough left of something."""

    default_code = "insufficient_resources"


class Unavailable(WorkspacesError):
    """A needed part does not answer."""

    default_code = "unavailable"


class BuildFailed(WorkspacesError):
    """Nix refused to evaluate or build an environment."""

    default_code = "build_failed"


class RuntimeFailed(WorkspacesError):
    """The runtime could not perform a step on a workspace."""

    default_code = "runtime_failed"


EXIT_CODES: tuple[tuple[type[WorkspacesError], int], ...] = (
    (InvalidInput, 2),
    (NotFound, 3),
    (Unauthenticated, 4),
    (Forbidden, 4),
    (Conflict, 5),
    (Unavailable, 6),
    (WorkspacesError, 1),
)
"""The exit codes of our processes: 0 is success, 1 any other failure, 130 an interruption."""


def exit_code(error: WorkspacesError) -> int:
    """Return the exit code of a process that ends because of ``error``."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
