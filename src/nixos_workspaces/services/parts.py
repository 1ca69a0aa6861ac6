"""The open parts of one control plane, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nixos_workspaces.auth.accounts import People
from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.auth.sharing import Sharing
from nixos_workspaces.auth.tokens import Tokens
from nixos_workspaces.automation.opening import Automation
from nixos_workspaces.automation.scaling.opening import Scaling
from nixos_workspaces.database import Ballast, Database
from nixos_workspaces.events import Events
from nixos_workspaces.files import Files, Searches
from nixos_workspaces.gateway import SshAccess
from nixos_workspaces.metering.connectivity import Reachability
from nixos_workspaces.metering.live import Live
from nixos_workspaces.metering.metrics.opening import Figures
from nixos_workspaces.metering.opening import Metering
from nixos_workspaces.network import Network
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.operations.audit.opening import Audit
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.operations.health import Health
from nixos_workspaces.operations.maintenance import Maintenance
from nixos_workspaces.operations.why.asking import Why
from nixos_workspaces.previews.service import Previews
from nixos_workspaces.repositories.cloning import Repositories
from nixos_workspaces.repositories.profiles import Profiles
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.secrets.delivery import Delivery
from nixos_workspaces.secrets.store import Secrets
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.journal import Journals
from nixos_workspaces.terminals.recording.recorder import Recorder
from nixos_workspaces.terminals.recording.recordings import Recordings
from nixos_workspaces.terminals.ssh_bridge import SSHBridge
from nixos_workspaces.workbench.layouts import Layouts
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.plans import Plans
from nixos_workspaces.workspaces.queries import Workspaces
from nixos_workspaces.workspaces.reconciler import Reconciler

if TYPE_CHECKING:
    from nixos_workspaces.provisioning.service import Provisioning


@dataclass(frozen=True, slots=True)
class Backends:
    """The parts that the control plane uses and does not own."""

    environments: Environments
    runtime: Runtime
    package_set: str
    """The package set in force, for people."""


OpenBackends = Callable[[Settings], AbstractAsyncContextManager[Backends]]


@dataclass(frozen=True, slots=True)
class Contents:
    """The parts that put things into workspaces."""

    secrets: Secrets
    delivery: Delivery
    repositories: Repositories
    profiles: Profiles


@dataclass(frozen=True, slots=True)
class Recording:
    """The parts about recordings of terminals."""

    recordings: Recordings
    recorder: Recorder


@dataclass(frozen=True, slots=True)
class Services:
    """The open parts of one control plane."""

    settings: Settings
    database: Database
    events: Events
    tokens: Tokens
    sharing: Sharing
    people: People
    provisioning: Provisioning | None
    """None where the settings have no SCIM."""
    counted_audit: CountedAudit
    audit: Audit
    environments: Environments
    runtime: Runtime
    orchestrator: NixOSSandboxOrchestrator
    automation: Automation
    workspaces: Workspaces
    scaling: Scaling
    plans: Plans
    reconciler: Reconciler
    figures: Figures
    live: Live
    metering: Metering
    health: Health
    why: Why
    maintenance: Maintenance
    background: BackgroundTasks
    ballast: Ballast
    bridge: SSHBridge
    layouts: Layouts
    network: Network
    files: Files
    searches: Searches
    journals: Journals
    previews: Previews
    ssh: SshAccess
    contents: Contents
    connectivity: Reachability
    recording: Recording
    package_set: str
    """The package set in force, for people."""
    first_login_code: str | None
    """A login code to print when no token was ever made; None otherwise."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
