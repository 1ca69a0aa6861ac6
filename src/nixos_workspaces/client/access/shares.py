"""The client's calls on shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.access.shares import JoinAnswer, ShareAnswer, ShareDetail, ShareList

_ROOT = "/api/nixos/workspaces"


class ShareCalls:
    """The calls on the shares of workspaces, given by their ids or names. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self, reference: str) -> list[ShareAnswer]:
        """Return the shares of a workspace, oldest first."""
        return read_answer(ShareList, self._client.call("GET", _path(reference, "shares"))).shares

    def add(self, reference: str, wanted: Mapping[str, Any]) -> ShareDetail:
        """Share a workspace or a part of it: ``wanted`` is a ``ShareRequest``."""
        return read_answer(ShareDetail, self._client.call("POST", _path(reference, "shares"), body=dict(wanted)))

    def admit(self, reference: str, share_id: str) -> ShareAnswer:
        """Let in one who has knocked."""
        return read_answer(
            ShareDetail, self._client.call("POST", _path(reference, "shares", share_id, "admit"), body={})
        ).share

    def remove(self, reference: str, share_id: str) -> None:
        """End a share, or refuse one who has knocked."""
        self._client.call("DELETE", _path(reference, "shares", share_id))

    def leave(self, reference: str) -> None:
        """Give up a workspace that is shared with the caller."""
        self._client.call("POST", _path(reference, "leave"), body={})

    def join(self, secret: str) -> JoinAnswer:
        """Take what a link shares, given by what follows # in it."""
        return read_answer(JoinAnswer, self._client.call("POST", "/api/nixos/join", body={"secret": secret}))


def _path(reference: str, *more: str) -> str:
    return "/".join((_ROOT, *(quote(one, safe="") for one in (reference, *more))))
