"""The client's calls on quotas."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.people.quotas import OwnQuotasAnswer, QuotaAnswer, QuotaList

_ROOT = "/api/nixos/quotas"


class QuotaCalls:
    """The calls on quotas. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def own(self) -> OwnQuotasAnswer:
        """Return what the caller has and may have."""
        return read_answer(OwnQuotasAnswer, self._client.call("GET", f"{_ROOT}/me"))

    def list(self) -> list[QuotaAnswer]:
        """Return every quota with what is used."""
        return read_answer(QuotaList, self._client.call("GET", _ROOT)).quotas

    def set_of_user(self, user: str, wanted: Mapping[str, float | None]) -> None:
        """Set a user's quota: ``wanted`` is a ``QuotaRequest``."""
        self._client.call("PUT", f"{_ROOT}/users/{quote(user, safe='')}", body=dict(wanted))

    def set_of_group(self, group: str, wanted: Mapping[str, float | None]) -> None:
        """Set a group's quota: ``wanted`` is a ``QuotaRequest``."""
        self._client.call("PUT", f"{_ROOT}/groups/{quote(group, safe='')}", body=dict(wanted))
