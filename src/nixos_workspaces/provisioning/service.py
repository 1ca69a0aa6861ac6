"""The service that answers a provider's requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from scim2_models import InvalidValueException, PatchOp, PatchOperation, Resource, ResourceType, SCIMException
from scim2_server.conditions import Conditions
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService
from typing_extensions import override

from nixos_workspaces.auth.operations import PROVISIONING
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import Database
from nixos_workspaces.provisioning.resources import MOST_OPERATIONS, MOST_REMOVED, Act, provider
from nixos_workspaces.provisioning.storage import Storage
from nixos_workspaces.provisioning.wire import Answer, Question


class _Service(ScimService):
    """The protocol, with one habit of Entra's more."""

    @override
    def read_patch(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> PatchOp[Any]:
        """Read a patch; what is removed by its value is told by ``value`` alone.

        Entra sends ``"$ref": null`` beside it, Okta a name: as conditions these would match nothing.
        """
        read = super().read_patch(resource_type, body, content_type)
        for one in read.operations or ():
            if one.op == PatchOperation.Op.remove and isinstance(one.value, list):
                one.value = [_chosen(entry) for entry in one.value]
        _check_size(read)
        return read


class _Handler(AsyncScimHandler):
    """The steps of each operation; patches are applied in a thread, because large groups take long."""

    @override
    async def patch_resource(
        self, resource_type: ResourceType, resource_id: str, patch_op: PatchOp[Any], conditions: Conditions
    ) -> Resource[Any]:
        """Apply a patch to a stored resource, and return the stored result."""
        current = await self.storage.get(resource_type, resource_id)
        version = None if current.meta is None else current.meta.version
        patched = await asyncio.to_thread(self.service.apply_patch, current, patch_op, conditions)
        if patched is None:
            return current
        return await self.storage.update(resource_type, patched, expected_version=version)


def _check_size(patch: PatchOp[Any]) -> None:
    """Raise ``InvalidValueException`` for a patch of too many operations or removals: each looks at the whole."""
    operations = patch.operations or ()
    removals = [one.value for one in operations if one.op == PatchOperation.Op.remove and isinstance(one.value, list)]
    if len(operations) > MOST_OPERATIONS or sum(map(len, removals)) > MOST_REMOVED:
        raise InvalidValueException(
            detail=f"A patch has at most {MOST_OPERATIONS} operations, and removes {MOST_REMOVED} entries by value"
        )


def _chosen(entry: Any) -> Any:
    is_named = isinstance(entry, dict) and isinstance(entry.get("value"), str)
    return {"value": entry["value"]} if is_named else entry


class Provisioning:
    """Answers requests of SCIM."""

    def __init__(
        self,
        database: Database,
        forget: Callable[[], None],
        state_changed: Callable[[str], Awaitable[None]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep people in ``database``; ``forget`` and ``state_changed`` are as of ``auth.people.users.Users``."""
        self._database = database
        self._forget = forget
        self._state_changed = state_changed
        self._clock = clock
        self._service = _Service(provider())

    async def answer(self, question: Question, *, principal: Principal, request_id: str) -> Answer:
        """Do what a request asks for, and return the answer, also where the protocol refuses it.

        Raises the errors of the policy, ``Conflict`` with code ``last_administrator``, ``Unavailable``.
        """
        request = ScimRequest(
            *(question.method, question.base_url, question.path, question.query, question.headers, question.body)
        )
        try:
            with self._service.provider:
                operation = self._service.match(request).operation
            action = PROVISIONING[operation.value]
            authorise(principal, action)
            writes = action is Action.MANAGE_PEOPLE
            storage = Storage(self._database, Act(principal.id, request_id, self._clock()), writes=writes)
            answer = await _Handler(self._service, storage).handle(request)
        except SCIMException as refused:
            return _wire(self._service.error_response(refused))
        if writes:
            self._forget()
        for user in storage.state_changed:
            await self._state_changed(user)
        return _wire(answer)


def _wire(answer: ScimResponse) -> Answer:
    return Answer(int(answer.status), answer.body, answer.headers)
