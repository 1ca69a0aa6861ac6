"""A typed client of the API, for the command line, tests and programs.

Every method raises our own errors: what the service refused comes back as the class it was refused with, and a service
that cannot be reached is ``Unavailable``. The credential travels in a header only.
"""

from __future__ import annotations

from pathlib import Path

from nixos_workspaces.client.access.audit import AuditCalls
from nixos_workspaces.client.access.shares import ShareCalls
from nixos_workspaces.client.access.ssh_keys import SshKeyCalls
from nixos_workspaces.client.access.transfers import TransferCalls
from nixos_workspaces.client.automation.idle import IdleCalls
from nixos_workspaces.client.automation.schedules import ScheduleCalls
from nixos_workspaces.client.connection import Connection, error_of
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


class Client(Connection):
    """A connection with the calls of each noun; a context manager. Use it from one thread."""

    def __init__(
        self, url: str, token: str = "", *, timeout: float = 60.0, certificate: str | Path | None = None
    ) -> None:
        """Reach the service at ``url``; ``timeout`` is in seconds, for each read.

        Over TLS the service must show the certificate in the file ``certificate``, or one that the system trusts.
        """
        super().__init__(url, token, timeout=timeout, certificate=certificate)
        self.workspaces = WorkspaceCalls(self)
        self.ssh_keys = SshKeyCalls(self)
        self.shares = ShareCalls(self)
        self.transfers = TransferCalls(self)
        self.users = UserCalls(self)
        self.groups = GroupCalls(self)
        self.quotas = QuotaCalls(self)
        self.tokens = TokenCalls(self)
        self.sessions = SessionCalls(self)
        self.devices = DeviceCalls(self)
        self.audit = AuditCalls(self)
        self.costs = CostCalls(self)
