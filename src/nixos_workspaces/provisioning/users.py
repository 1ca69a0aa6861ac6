"""People: made, changed and ended by a provider."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from scim2_models import Context, InvalidValueException, UniquenessException

from nixos_workspaces.auth.people.users import UserChange, store_change
from nixos_workspaces.auth.policy import Role
from nixos_workspaces.database import AuditEntry, Transaction
from nixos_workspaces.model.access.people import (
    LONGEST_DISPLAY_NAME,
    LONGEST_HANDLE,
    User,
    UserKind,
    UserState,
    handle_from,
)
from nixos_workspaces.model.access.provisioned import ProvisionedUser
from nixos_workspaces.provisioning import resources
from nixos_workspaces.provisioning.resources import ROLES, Act, key_of, meta_of, readable

_TRIES = 20
_MOST_ENTRIES = 20
_KEPT = ("name", "displayName", "emails", "roles")


def resource_of(record: ProvisionedUser) -> resources.User:
    """Return a person as the provider sees them."""
    user, said = record.user, dict(record.attributes)
    if "displayName" in said:
        said["displayName"] = user.display_name
    roles = said.get("roles")
    if roles and roles[0].get("value") != user.role:
        said["roles"] = [{**roles[0], "value": user.role}]
    stated = {
        **said,
        "id": user.id,
        "userName": record.user_name,
        "externalId": record.external_id,
        "active": user.is_active,
        "groups": [{"value": one.id, "$ref": f"Groups/{one.id}", "display": one.name} for one in record.groups],
    }
    made = resources.User.model_validate({"schemas": [str(resources.User.__schema__)], **stated})
    made.groups = made.groups or None
    made.meta = meta_of("User", user.created_at, record.changed_at, stated)
    return made


async def create(tx: Transaction, wanted: resources.User, act: Act) -> str:
    """Make a person, and return their id. Raises ``UniquenessException`` where the name is taken."""
    name, said = _name_of(wanted), attributes_of(wanted)
    await _check_free(tx, name, "")
    state = UserState.SUSPENDED if wanted.active is False else UserState.ACTIVE
    handle = await free_handle(name, lambda one: _is_taken(tx, one))
    role = _role_of(said) or Role.MEMBER
    shown = _shown_name(name, said)
    user = User(f"usr-{secrets.token_hex(6)}", handle, shown, role.value, UserKind.PERSON, state, act.now)
    await tx.users.add(user)
    record = ProvisionedUser(user, name, act.now, readable("externalId", wanted.external_id), said)
    await tx.provisioned.save_user(record, key_of(name))
    detail = {"user": user.id, "handle": handle, "role": role.value, "kind": user.kind.value, "by": "scim"}
    detail |= {"state": state.value, "user_name": name, "external_id": record.external_id or ""}
    await tx.audit.append(AuditEntry(act.now, act.actor, "create-user", "", "accepted", act.request_id, detail))
    return user.id


async def update(tx: Transaction, before: ProvisionedUser, wanted: resources.User, act: Act) -> bool:
    """Store the whole new state of a person; tell whether they were suspended, or are active again.

    The role changes only where the provider names one, or takes back one that it named: then it is member. Raises
    ``Conflict`` with code ``last_administrator``.
    """
    name, said = _name_of(wanted), attributes_of(wanted)
    await _check_free(tx, name, before.user.id)
    role = _role_of(said) or (Role.MEMBER if "roles" in before.attributes else None)
    active = before.user.is_active if wanted.active is None else wanted.active
    shown = _shown_name(name, said)
    is_named = shown != _shown_name(before.user_name, before.attributes)
    change = UserChange(shown if is_named else None, role, UserState.ACTIVE if active else UserState.SUSPENDED)
    entry = AuditEntry(act.now, act.actor, "change-user", "", "accepted", act.request_id)
    after = await store_change(tx, before.user, change, entry)
    record = ProvisionedUser(after, name, act.now, readable("externalId", wanted.external_id), said)
    old, new = _told(before), _told(record)
    if old != new:
        await tx.provisioned.save_user(record, key_of(name))
        changed = [one for one in old if old[one] != new[one]]
        detail = {
            "user": after.id,
            "old": {one: old[one] for one in changed},
            "new": {one: new[one] for one in changed},
        }
        await tx.audit.append(replace(entry, action="provision-user", detail=detail))
    return after.state is not before.user.state


async def delete(tx: Transaction, before: ProvisionedUser, act: Act) -> None:
    """Suspend a person for good: their workspaces stay, for an administrator to hand on.

    The name may then be another's, who gets nothing of theirs. Raises ``Conflict`` (``last_administrator``).
    """
    entry = AuditEntry(act.now, act.actor, "change-user", "", "accepted", act.request_id)
    user = await store_change(tx, before.user, UserChange(state=UserState.SUSPENDED), entry)
    await tx.provisioned.save_user(replace(before, user=user, changed_at=act.now), key_of(before.user_name))
    await tx.provisioned.delete_user(user.id, act.now)
    detail = {"user": user.id, "user_name": before.user_name, "groups": [one.id for one in before.groups]}
    await tx.audit.append(replace(entry, action="delete-user", detail=detail))


def attributes_of(wanted: resources.User) -> dict[str, Any]:
    """Return what is kept in the provider's words; ``InvalidValueException`` for what is too long or no role."""
    said = wanted.model_dump(scim_ctx=Context.DEFAULT)
    kept = {name: said[name] for name in _KEPT if said.get(name)}
    for name in ("emails", "roles"):
        if len(kept.get(name, ())) > _MOST_ENTRIES:
            raise InvalidValueException(detail=f"{name} has at most {_MOST_ENTRIES} entries")
    _check_texts(kept)
    readable("displayName", kept.get("displayName"), LONGEST_DISPLAY_NAME)
    _role_of(kept)
    return kept


def _check_texts(value: object, name: str = "") -> None:
    """Hold every text in a tree to its bounds."""
    match value:
        case str():
            readable(name, value)
        case dict():
            for key, one in value.items():
                _check_texts(one, key)
        case list():
            for one in value:
                _check_texts(one, name)


def _role_of(said: Mapping[str, Any]) -> Role | None:
    """Return the role that a provider gives; None where it says nothing of roles."""
    values = {one.get("value") for one in said.get("roles", ())}
    if not values:
        return None
    if len(values) > 1:
        raise InvalidValueException(detail="A user has one role: admin, member or auditor")
    value = values.pop()
    if value not in ROLES:
        raise InvalidValueException(detail="roles.value is admin, member or auditor")
    return Role(value)


def _name_of(wanted: resources.User) -> str:
    name = (readable("userName", wanted.user_name) or "").strip()
    if not name:
        raise InvalidValueException(detail="userName is empty")
    return name


def _shown_name(user_name: str, said: Mapping[str, Any]) -> str:
    """Return the name that people see."""
    name = said.get("name", {})
    parts = " ".join(one for one in (name.get("givenName"), name.get("familyName")) if one)
    shown = said.get("displayName") or name.get("formatted") or parts or user_name
    return str(shown)[:LONGEST_DISPLAY_NAME]


def _told(record: ProvisionedUser) -> dict[str, Any]:
    return {"user_name": record.user_name, "external_id": record.external_id, **_blank(), **record.attributes}


def _blank() -> dict[str, Any]:
    return dict.fromkeys(_KEPT)


async def _check_free(tx: Transaction, name: str, own: str) -> None:
    if any(one.user.id != own for one in await tx.provisioned.users(key=key_of(name))):
        raise UniquenessException(detail="There is a user with this userName already")


async def _is_taken(tx: Transaction, handle: str) -> bool:
    return await tx.users.find(handle) is not None


async def free_handle(name: str, is_taken: Callable[[str], Any]) -> str:
    """Return a handle for a name that nobody has, or had."""
    stem = handle_from(name)
    for number in range(1, _TRIES):
        handle = stem if number == 1 else f"{stem[: LONGEST_HANDLE - 3]}-{number}"
        if not await is_taken(handle):
            return handle
    return f"{stem[: LONGEST_HANDLE - 9]}-{secrets.token_hex(4)}"
