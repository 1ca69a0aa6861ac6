"""The English sentences of errors that pages say in their own language, by code, and the parts of these sentences."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        # A state in which a verb makes no sense
        "refused.pause": "Workspace {name} is {status}. Only a running workspace can be paused: start it, or wait "
        "until it runs.",
        "refused.resume": "Workspace {name} is {status}. Only a paused workspace can be resumed: start it instead.",
        "refused.boost": "Workspace {name} is {status}: start it, then boost it.",
        "refused.learning": "Workspace {name} is not running: start it first.",
        # Sizes
        "refused.too_small": "{size} must be at least {least} {unit}.",
        "refused.too_large": "{size} must be at most {most} {unit}: the machine has no more.",
        "refused.quota": "{whose} allows {allowed} {unit}: {used} are used, {more} more were asked for. "
        "Stop or delete a workspace, ask for less, or ask an administrator for more.",
        "refused.budget": "{whose} of {amount} for this month is used up. Nothing is created or started until the "
        "next month; stop what is not needed, or ask an administrator for more.",
        "refused.memory_left": "{needed} GB of memory are needed, {left} GB are left for workspaces that run. "
        "Stop one, or ask for less.",
        "refused.storage_left": "{needed} GB more storage are needed, {left} GB are left. "
        "Ask for less, or delete a workspace.",
        "refused.disk_left": "The disk has {left} GB left for volumes and {needed} GB are needed. "
        "Delete workspaces, or ask for less storage.",
        "refused.disk_full": "{said} Make room, then create it.",
        "refused.build_disk_full": "{said} Nothing is built until there is room.",
        "size.cpu": "cpu",
        "size.memory": "memory",
        "size.storage": "storage",
        "unit.cpu": "cores",
        "unit.gigabytes": "GB",
        "unit.memory": "GB of memory",
        "unit.storage": "GB of storage",
        "unit.workspaces": "workspaces",
        "unit.running": "running workspaces",
        "quota.own": "Your quota",
        "quota.group": "The quota of the group {group}",
        "budget.user": "Your budget",
        "budget.group": "The budget of your group",
        "budget.workspace": "Its budget",
        # Environments
        "refused.template": "The template {name} does not exist.",
        "refused.template_near": "The template {name} does not exist. Did you mean {near}?",
        "refused.package": "The package {name} does not exist in {set}.",
        "refused.package_near": "The package {name} does not exist in {set}. Did you mean {near}?",
        "refused.near": "{first} or {last}",
        "refused.package_unusable": "The package {name} exists in {set} but cannot be used: it is unfree, broken, "
        "insecure or made for another platform.",
        # Builds
        "refused.nix": "Nix refused the environment: {reason}",
        "refused.nix_slow": "Nix was stopped because it took longer than {seconds} seconds. Try again (what is built "
        "is kept), or raise build_timeout.",
        "refused.no_package": "The package {name} does not exist in this package set. Correct or remove it.",
        "refused.by_set": "The package set refuses {name}: {reason}. Remove it or choose another package.",
        "refused.builder": "{name} could not be built: its builder {reason}.",
        "refused.builder_said": "{name} could not be built: its builder {reason}. Its last lines: {lines}",
        "refused.build_slow": "{name} could not be built: it took longer than {seconds} seconds.",
        "refused.imported": "{name} would have to be built while the environment is evaluated (import from "
        "derivation), which is off. Remove it, or what reads its result.",
        "refused.download": "A source could not be downloaded: {source}: {reason}. Check the network, then build "
        "again.",
        "refused.endless": "The template or the package set refers to itself without end (infinite recursion). "
        "Correct the template.",
        # The network, and terminals of others
        "refused.mode": "Mode {mode} goes beyond the floor that the administrator has set: choose at most {floor}.",
        "refused.entry": "{entry} goes beyond the floor that the administrator has set ({floor}{why}).",
        "refused.learning_floor": "Learning lets everything out for a while, which goes beyond the floor that the "
        "administrator has set.",
        "refused.entries": "A workspace has at most {most} entries: take some away first.",
        "refused.part": "You may be {most} here, not {wanted}.",
        "refused.watching": "You may watch terminals here, not open them.",
        "person.observer": "observer",
        "person.peer": "peer",
        "person.moderator": "moderator",
        # A login that does not answer, and a background task that ends
        "login.exit": "It ended with exit code {exit}.",
        "login.no_answer": "It gave no answer within {seconds} seconds.",
        "login.broke_off": "It broke off ({kind}).",
        "login.lost": "It gave no answer to the last question.",
        "login.engine": "No answer within {seconds} seconds.",
        "login.part.ssh": "SSH",
        "login.part.command": "command",
        "login.part.terminal": "terminal",
        "login.part.file": "file",
        "task.cancelled": "It was cancelled.",
        "task.ended": "It ended by itself.",
        "task.slow": "It took too long and was cancelled.",
        "task.unexpected": "It failed unexpectedly ({kind}); the service's log tells more.",
    }
)
