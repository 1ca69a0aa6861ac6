"""Groups: made, filled and removed by a provider."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from scim2_models import InvalidValueException, UniquenessException

from nixos_workspaces.database import AuditEntry, Transaction
from nixos_workspaces.model.access.people import Group
from nixos_workspaces.model.access.provisioned import ProvisionedGroup
from nixos_workspaces.provisioning import resources
from nixos_workspaces.provisioning.resources import MOST_MEMBERS, Act, key_of, meta_of, readable
from nixos_workspaces.provisioning.users import free_handle


def resource_of(record: ProvisionedGroup) -> resources.Group:
    """Return a group as the provider sees it."""
    stated = {
        "id": record.group.id,
        "displayName": record.display_name,
        "externalId": record.external_id,
        "members": [{"value": one.id, "$ref": f"Users/{one.id}", "type": "User"} for one in record.members],
    }
    made = resources.Group.model_validate({"schemas": [str(resources.Group.__schema__)], **stated})
    made.members = made.members or None
    made.meta = meta_of("Group", record.group.created_at, record.changed_at, stated)
    return made


async def create(tx: Transaction, wanted: resources.Group, act: Act) -> str:
    """Make a group with its members, and return its id. Raises ``UniquenessException`` where the name is taken."""
    name = _name_of(wanted)
    await _check_free(tx, name, "")

    async def is_taken(handle: str) -> bool:
        return await tx.groups.find(handle) is not None

    group = Group(f"grp-{secrets.token_hex(6)}", await free_handle(name, is_taken), act.now)
    await tx.groups.add(group)
    record = ProvisionedGroup(group, name, act.now, readable("externalId", wanted.external_id))
    await tx.provisioned.save_group(record, key_of(name))
    detail = {"group": group.id, "name": group.name, "display_name": name, "by": "scim"}
    await tx.audit.append(_entry(act, "create-group", detail))
    await _fill(tx, record, wanted, act)
    return group.id


async def update(tx: Transaction, before: ProvisionedGroup, wanted: resources.Group, act: Act) -> None:
    """Store the whole new state of a group; its handle stays, so that shares and quotas keep their name."""
    name = _name_of(wanted)
    await _check_free(tx, name, before.group.id)
    external_id = readable("externalId", wanted.external_id)
    record = replace(before, display_name=name, external_id=external_id, changed_at=act.now)
    has_filled = await _fill(tx, before, wanted, act)
    is_renamed = (before.display_name, before.external_id) != (name, external_id)
    if is_renamed or has_filled:
        await tx.provisioned.save_group(record, key_of(name))
    if is_renamed:
        old = {"display_name": before.display_name, "external_id": before.external_id}
        new = {"display_name": name, "external_id": external_id}
        await tx.audit.append(_entry(act, "provision-group", {"group": before.group.id, "old": old, "new": new}))


async def delete(tx: Transaction, before: ProvisionedGroup, act: Act) -> None:
    """Remove a group with its memberships, its quota and what is shared with it."""
    await tx.groups.remove(before.group.id)
    await tx.shares.remove_of(before.group.id)
    detail = {"group": before.group.id, "name": before.group.name, "display_name": before.display_name}
    await tx.audit.append(_entry(act, "delete-group", detail))


async def _fill(tx: Transaction, before: ProvisionedGroup, wanted: resources.Group, act: Act) -> bool:
    """Make the people whom a provider names the members; service accounts in the group stay. Tell of any change."""
    had = {one.id for one in before.members}
    asked = {one.value or "" for one in wanted.members or ()}
    joining, leaving = sorted(asked - had), sorted(had - asked)
    if len(joining) + len(leaving) > MOST_MEMBERS:
        raise InvalidValueException(detail=f"A request changes at most {MOST_MEMBERS} members")
    if await tx.provisioned.people(joining) != frozenset(joining):
        raise InvalidValueException(detail="members.value is the id of a User that there is; groups have no groups")
    for user in joining:
        await tx.groups.join(before.group.id, user)
        await tx.audit.append(_entry(act, "join-group", {"group": before.group.id, "user": user}))
    for user in leaving:
        await tx.groups.leave(before.group.id, user)
        await tx.audit.append(_entry(act, "leave-group", {"group": before.group.id, "user": user}))
    return bool(joining or leaving)


def _name_of(wanted: resources.Group) -> str:
    name = (readable("displayName", wanted.display_name) or "").strip()
    if not name:
        raise InvalidValueException(detail="displayName is empty")
    return name


async def _check_free(tx: Transaction, name: str, own: str) -> None:
    if any(one.group.id != own for one in await tx.provisioned.groups(key=key_of(name))):
        raise UniquenessException(detail="There is a group with this displayName already")


def _entry(act: Act, action: str, detail: Mapping[str, object]) -> AuditEntry:
    return AuditEntry(act.now, act.actor, action, "", "accepted", act.request_id, detail)
