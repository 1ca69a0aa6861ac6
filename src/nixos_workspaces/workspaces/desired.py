"""The desired state: checks of a request, and the workspace as it is wanted after it. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.environment import Environment, Generation, Template, environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT, is_port, is_workspace_name
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Workspace, WorkspaceChange, WorkspaceConfig

MIN_CPU = 0.25
MIN_BYTES = BYTES_PER_GB // 4


def request_hash(config: WorkspaceConfig) -> str:
    """Return the hash that tells one create request from another."""
    return hashlib.sha256(json.dumps(asdict(config), sort_keys=True, default=str).encode()).hexdigest()


def check_name(name: str) -> None:
    """Refuse a name that could not be a host name, or be taken for an id."""
    if not is_workspace_name(name):
        raise InvalidInput(
            "A name has 1 to 63 lower-case letters, digits and hyphens, begins and ends with a letter or digit, "
            "is not a number and does not begin with ws-.",
            field="name",
        )


def normal(config: WorkspaceConfig) -> Environment:
    """Return the environment in normal form; refuse ports that are none."""
    wanted = config.environment
    for port in wanted.ports:
        if not is_port(port):
            raise InvalidInput(f"A port is a number from {LOWEST_PORT} to {HIGHEST_PORT}.", field="ports")
    return environment(wanted.template, wanted.packages, wanted.ports)


def with_git(config: WorkspaceConfig, templates: Iterable[Template]) -> WorkspaceConfig:
    """Return the configuration with the package ``git``, unless its template brings it."""
    wanted = config.environment
    if any(one.name == wanted.template and "git" in one.packages for one in templates):
        return config
    return replace(config, environment=environment(wanted.template, (*wanted.packages, "git"), wanted.ports))


def too_small(field: str, least: float) -> Sentence:
    """Return the sentence about a size below the least."""
    return _bound("refused.too_small", field, {"least": f"{least:.4g}"})


def too_large(field: str, most: float) -> Sentence:
    """Return the sentence about a size beyond the machine's."""
    return _bound("refused.too_large", field, {"most": f"{most:.4g}"})


def _bound(code: str, field: str, values: Mapping[str, str]) -> Sentence:
    unit = Sentence("unit.cpu" if field == "cpu" else "unit.gigabytes")
    return Sentence(code, values, {"size": Sentence(f"size.{field}"), "unit": unit})


def check_size(field: str, value: float, least: float, most: float, unit: float) -> None:
    """Refuse a size that is no size, too small, or more than the whole machine has."""
    if not math.isfinite(value) or value < least:
        raise InvalidInput(too_small(field, least / unit), field=field)
    if value > most:
        raise InvalidInput(too_large(field, most / unit), code="exceeds_machine", field=field)


def changed(workspace: Workspace, change: WorkspaceChange) -> Workspace:
    """Return the workspace as it is wanted after ``change``."""
    limits, made_of = workspace.resources, workspace.environment
    resources = Resources(
        limits.cpu if change.cpu is None else change.cpu,
        limits.memory_bytes if change.memory_bytes is None else change.memory_bytes,
        limits.storage_bytes if change.storage_bytes is None else change.storage_bytes,
    )
    if resources.storage_bytes < limits.storage_bytes:
        raise InvalidInput("Storage can grow, not shrink: make a new workspace instead.", field="storage")
    wanted = normal(
        WorkspaceConfig(
            workspace.name,
            resources,
            Environment(
                made_of.template if change.template is None else change.template,
                made_of.packages if change.packages is None else change.packages,
                made_of.ports if change.ports is None else change.ports,
            ),
        )
    )
    name = workspace.name if change.name is None else change.name
    if name != workspace.name:
        check_name(name)
    hostname = workspace.hostname if name == workspace.name else name
    altered = replace(workspace, name=name, hostname=hostname, resources=resources, environment=wanted)
    # A size that was just chosen is the one to have, whatever it had changed to by itself.
    if change.cpu is not None:
        altered = replace(altered, scaled_cpu=None)
    if change.memory_bytes is not None:
        altered = replace(altered, scaled_memory_bytes=None)
    # Ports are no part of what is built.
    is_built_anew = replace(wanted, ports=made_of.ports) != made_of
    return replace(altered, revision=workspace.revision + 1, pinned=None) if is_built_anew else altered


def rebuilt(workspace: Workspace, chosen: Generation | None) -> Workspace:
    """Return the workspace with its environment to be built again, or ``chosen`` to be taken instead."""
    if chosen is None:
        return replace(workspace, revision=workspace.revision + 1, pinned=None)
    return replace(workspace, revision=workspace.revision + 1, pinned=chosen.number, environment=chosen.environment)


def growth(workspace: Workspace, wanted: Resources) -> int:
    """Return how many bytes more a change promises than the workspace has been promised already."""
    return max(wanted.storage_bytes - max(workspace.resources.storage_bytes, workspace.volume_bytes), 0)


def renamed(before: Workspace, after: Workspace) -> Workspace | None:
    """Return ``before`` with its new name where a change is none of the machine's: it opens no new intent."""
    if (before.resources, before.limits, before.environment) != (after.resources, after.limits, after.environment):
        return None
    return replace(before, name=after.name, hostname=after.hostname)


def difference(before: Workspace, after: Workspace) -> dict[str, object]:
    """Return a verb's change of the desired state, for the audit."""
    parts = ["name"] if before.name != after.name else []
    if (before.resources, before.environment) != (after.resources, after.environment):
        parts += ["resources", "environment"]
    old, new = asdict(before), asdict(after)
    return {"old": {part: old[part] for part in parts}, "new": {part: new[part] for part in parts}} if parts else {}


def check_sizes(wanted: Resources, cpu: float, memory_bytes: int, storage_bytes: int) -> None:
    """Refuse sizes that are too small, or more than a machine with so much has."""
    check_size("cpu", wanted.cpu, MIN_CPU, cpu, 1)
    check_size("memory", wanted.memory_bytes, MIN_BYTES, memory_bytes, BYTES_PER_GB)
    check_size("storage", wanted.storage_bytes, MIN_BYTES, storage_bytes, BYTES_PER_GB)
