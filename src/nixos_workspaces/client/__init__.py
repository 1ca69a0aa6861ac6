"""A typed client of the API, for the command line, tests and programs.

Every method raises our own errors: what the service refused comes back as the class it was refused with, and a service
that cannot be reached is ``Unavailable``. The credential travels in a header only.

The calls of a noun, with their wire types, are loaded when they are used first: a verb of the command line uses one.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nixos_workspaces.client.connection import Connection, error_of

if TYPE_CHECKING:
    from nixos_workspaces.client.access.audit import AuditCalls
    from nixos_workspaces.client.access.shares import ShareCalls
    from nixos_workspaces.client.access.ssh_keys import SshKeyCalls
    from nixos_workspaces.client.access.transfers import TransferCalls
    from nixos_workspaces.client.automation.idle import IdleCalls
    from nixos_workspaces.client.automation.schedules import ScheduleCalls
    from nixos_workspaces.client.files import FileCalls
    from nixos_workspaces.client.journal import JournalCalls
    from nixos_workspaces.client.metering.costs import CostCalls
    from nixos_workspaces.client.metering.metrics import MetricCalls
    from nixos_workspaces.client.network import NetworkCalls
    from nixos_workspaces.client.people.quotas import QuotaCalls
    from nixos_workspaces.client.people.tokens import DeviceCalls, SessionCalls, TokenCalls
    from nixos_workspaces.client.people.users import GroupCalls, UserCalls
    from nixos_workspaces.client.plans import PlanCalls
    from nixos_workspaces.client.reach.ports import PortCalls
    from nixos_workspaces.client.terminals import TerminalCalls
    from nixos_workspaces.client.workspaces import WorkspaceCalls

__all__ = [
    "AuditCalls",
    "Client",
    "Connection",
    "CostCalls",
    "DeviceCalls",
    "FileCalls",
    "GroupCalls",
    "IdleCalls",
    "JournalCalls",
    "MetricCalls",
    "NetworkCalls",
    "PlanCalls",
    "PortCalls",
    "QuotaCalls",
    "ScheduleCalls",
    "SessionCalls",
    "SshKeyCalls",
    "TerminalCalls",
    "TokenCalls",
    "UserCalls",
    "WorkspaceCalls",
    "error_of",
]

_MODULES = {
    "AuditCalls": "access.audit",
    "ShareCalls": "access.shares",
    "SshKeyCalls": "access.ssh_keys",
    "TransferCalls": "access.transfers",
    "IdleCalls": "automation.idle",
    "ScheduleCalls": "automation.schedules",
    "FileCalls": "files",
    "JournalCalls": "journal",
    "CostCalls": "metering.costs",
    "MetricCalls": "metering.metrics",
    "NetworkCalls": "network",
    "QuotaCalls": "people.quotas",
    "DeviceCalls": "people.tokens",
    "SessionCalls": "people.tokens",
    "TokenCalls": "people.tokens",
    "GroupCalls": "people.users",
    "UserCalls": "people.users",
    "PlanCalls": "plans",
    "PortCalls": "reach.ports",
    "TerminalCalls": "terminals",
    "WorkspaceCalls": "workspaces",
}
"""Where each class of calls is, below this package."""
T = TypeVar("T")


def __getattr__(name: str) -> Any:
    """Load a class of calls (PEP 562)."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


class _Calls(Generic[T]):
    """An attribute of a client: the calls of one noun, made when they are used first."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._name = ""

    def __set_name__(self, _owner: type[object], name: str) -> None:
        self._name = name

    def __get__(self, client: Client, _owner: type[object]) -> T:
        calls: T = __getattr__(self._kind)(client)
        vars(client)[self._name] = calls  # found before this one from now on
        return calls


class Client(Connection):
    """A connection with the calls of each noun; a context manager. Use it from one thread."""

    workspaces: _Calls[WorkspaceCalls] = _Calls("WorkspaceCalls")
    ssh_keys: _Calls[SshKeyCalls] = _Calls("SshKeyCalls")
    shares: _Calls[ShareCalls] = _Calls("ShareCalls")
    transfers: _Calls[TransferCalls] = _Calls("TransferCalls")
    users: _Calls[UserCalls] = _Calls("UserCalls")
    groups: _Calls[GroupCalls] = _Calls("GroupCalls")
    quotas: _Calls[QuotaCalls] = _Calls("QuotaCalls")
    tokens: _Calls[TokenCalls] = _Calls("TokenCalls")
    sessions: _Calls[SessionCalls] = _Calls("SessionCalls")
    devices: _Calls[DeviceCalls] = _Calls("DeviceCalls")
    audit: _Calls[AuditCalls] = _Calls("AuditCalls")
    costs: _Calls[CostCalls] = _Calls("CostCalls")

    def __init__(
        self, url: str, token: str = "", *, timeout: float = 60.0, certificate: str | Path | None = None
    ) -> None:
        """Reach the service at ``url``; ``timeout`` is in seconds, for each read.

        Over TLS the service must show the certificate in the file ``certificate``, or one that the system trusts.
        """
        super().__init__(url, token, timeout=timeout, certificate=certificate)
