"""The client's calls on giving workspaces to other owners."""

from __future__ import annotations

from urllib.parse import quote

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.access.transfers import OwnedAnswer, TransferAnswer, TransferList

_ROOT = "/api/nixos"


class TransferCalls:
    """The calls on transfers of workspaces. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def transfer(self, reference: str, to: str) -> TransferAnswer:
        """Offer a workspace to the user with that handle, or, as an administrator, give it to them."""
        path = f"{_ROOT}/workspaces/{quote(reference, safe='')}/transfer"
        return read_answer(TransferAnswer, self._client.call("POST", path, body={"to": to}))

    def withdraw(self, reference: str) -> None:
        """Withdraw the offer of a workspace."""
        self._client.call("DELETE", f"{_ROOT}/workspaces/{quote(reference, safe='')}/transfer")

    def list(self) -> TransferList:
        """Return the offers to the caller, and those by the caller."""
        return read_answer(TransferList, self._client.call("GET", f"{_ROOT}/transfers"))

    def accept(self, workspace_id: str, *, deliver_secrets: bool = False) -> OwnedAnswer:
        """Accept an offered workspace, given by its id."""
        path = f"{_ROOT}/transfers/{quote(workspace_id, safe='')}/accept"
        return read_answer(OwnedAnswer, self._client.call("POST", path, body={"deliver_secrets": deliver_secrets}))

    def refuse(self, workspace_id: str) -> None:
        """Refuse an offered workspace, given by its id."""
        self._client.call("POST", f"{_ROOT}/transfers/{quote(workspace_id, safe='')}/refuse", body={})

    def deliver_secrets(self, reference: str, *, deliver: bool) -> OwnedAnswer:
        """Have the caller's personal secrets delivered to a workspace of theirs, or kept from it."""
        path = f"{_ROOT}/workspaces/{quote(reference, safe='')}/personal-secrets"
        return read_answer(OwnedAnswer, self._client.call("PUT", path, body={"deliver": deliver}))
