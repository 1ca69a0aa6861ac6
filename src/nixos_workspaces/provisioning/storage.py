"""The storage of ``scim2-server`` over our database: one for each request, whose operation is one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from scim2_models import (
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    SearchRequest,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import AsyncScimStorage, SearchPage
from typing_extensions import override

from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.model.access.provisioned import ProvisionedGroup, ProvisionedUser
from nixos_workspaces.provisioning import groups, users
from nixos_workspaces.provisioning.resources import Act, Group, User, key_of

_KEYS = {"User": "username", "Group": "displayname"}
_Record = ProvisionedUser | ProvisionedGroup


class Storage(AsyncScimStorage):
    """Reads and writes people and groups in the transaction of one operation."""

    def __init__(self, database: Database, act: Act, *, writes: bool) -> None:
        """Work for ``act``; without ``writes`` nobody is kept from writing meanwhile."""
        self._database = database
        self._act = act
        self._writes = writes
        self._open: Transaction | None = None
        self.state_changed: list[str] = []
        """Ids of users who were suspended, or are active again."""

    @asynccontextmanager
    async def _operate(self) -> AsyncIterator[None]:
        async with (self._database.transaction if self._writes else self._database.reading)() as tx:
            self._open = tx
            try:
                yield
            finally:
                self._open = None

    @override
    def operation(self) -> Any:
        """Open the transaction; what is done in it is stored together or not at all."""
        return self._operate()

    @property
    def _tx(self) -> Transaction:
        assert self._open is not None, "outside of an operation"
        return self._open

    @override
    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Return a resource."""
        return _resource_of(await self._find(resource_type, resource_id))

    async def _find(self, resource_type: ResourceType, resource_id: str) -> _Record:
        stored = self._tx.provisioned
        found: Sequence[_Record]
        if resource_type.name == "User":
            found = await stored.users(user_id=resource_id)
        else:
            found = await stored.groups(group_id=resource_id)
        if not found:
            raise NotFoundException(detail=f"There is no {resource_type.name} of this id")
        return found[0]

    @override
    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """Return a page; names, ids and external ids are looked up, other filters look at every resource."""
        records: list[_Record] = []
        for one in resource_types:
            narrow = _narrowed(one, search_request.filter)
            if one.name == "User":
                records += await self._tx.provisioned.users(**narrow)
            else:
                records += await self._tx.provisioned.groups(**narrow)
        # In a thread: thousands of resources take longer than others may wait.
        return await asyncio.to_thread(_page, records, search_request)

    @override
    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Store a new resource."""
        if isinstance(resource, User):
            made = await users.create(self._tx, resource, self._act)
        else:
            assert isinstance(resource, Group)
            made = await groups.create(self._tx, resource, self._act)
        return await self.get(resource_type, made)

    @override
    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Store the new state of a resource."""
        before = await self._expected(resource_type, resource.id or "", expected_version)
        if isinstance(before, ProvisionedUser):
            assert isinstance(resource, User)
            if await users.update(self._tx, before, resource, self._act):
                self.state_changed.append(before.user.id)
        else:
            assert isinstance(resource, Group)
            await groups.update(self._tx, before, resource, self._act)
        return await self.get(resource_type, resource.id or "")

    @override
    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        """End a person, or remove a group."""
        before = await self._expected(resource_type, resource_id, expected_version)
        if isinstance(before, ProvisionedUser):
            await users.delete(self._tx, before, self._act)
            self.state_changed.append(before.user.id)
        else:
            await groups.delete(self._tx, before, self._act)

    async def _expected(self, resource_type: ResourceType, resource_id: str, version: str | None) -> _Record:
        found = await self._find(resource_type, resource_id)
        meta = _resource_of(found).meta
        if version is not None and (meta is None or meta.version != version):
            raise PreconditionFailedException
        return found


def _resource_of(record: _Record) -> Resource[Any]:
    if isinstance(record, ProvisionedUser):
        return users.resource_of(record)
    return groups.resource_of(record)


def _narrowed(resource_type: ResourceType, wanted: ScimFilter[Any] | None) -> dict[str, str]:
    """Return how the resources that a filter can match are looked up; empty: every one has to be looked at."""
    node = None if wanted is None else wanted.ast
    if not isinstance(node, Comparison) or node.op != CompareOperator.eq or not isinstance(node.value, str):
        return {}
    if node.attr_path.sub_attr is not None or node.attr_path.uri is not None:
        return {}
    match node.attr_path.attr.lower():
        case "externalid":
            return {"external_id": node.value}
        case "id":
            return {"user_id" if resource_type.name == "User" else "group_id": node.value}
        case name if name == _KEYS[resource_type.name or ""]:
            return {"key": key_of(node.value)}
        case _:
            return {}


def _page(records: Iterable[_Record], wanted: SearchRequest[Any]) -> SearchPage:
    matches: Callable[[Resource[Any]], bool] = (lambda _: True) if wanted.filter is None else wanted.filter.match
    found = [one for one in map(_resource_of, records) if matches(one)]
    if wanted.sort_by is not None:
        found = wanted.sort(found)
    start = wanted.start_index_0 or 0
    return SearchPage(len(found), found[start : None if wanted.count is None else start + wanted.count])
