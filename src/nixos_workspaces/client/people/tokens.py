"""The client's calls on API tokens, sessions and device logins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.schemas.people.tokens import (
    DeviceAnswer,
    SessionsEnded,
    TokenAnswer,
    TokenList,
    TokenMade,
    UserSessionAnswer,
    UserSessionList,
)

_TOKENS, _SESSIONS, _DEVICE = "/api/nixos/tokens", "/api/nixos/sessions", "/api/nixos/device"
_WAITING = frozenset({"authorization_pending", "slow_down"})


class TokenCalls:
    """The calls on the caller's API tokens. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self) -> list[TokenAnswer]:
        """Return the valid tokens, newest first."""
        return read_answer(TokenList, self._client.call("GET", _TOKENS)).tokens

    def create(self, wanted: Mapping[str, Any]) -> TokenMade:
        """Make a token: ``wanted`` is a ``TokenRequest``."""
        return read_answer(TokenMade, self._client.call("POST", _TOKENS, body=dict(wanted)))

    def revoke(self, token_id: str) -> None:
        """Revoke a token with all that were made with it."""
        self._client.call("DELETE", f"{_TOKENS}/{quote(token_id, safe='')}")


class SessionCalls:
    """The calls on the caller's sessions and on the credential itself. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self) -> list[UserSessionAnswer]:
        """Return the browsers that are signed in, newest first."""
        return read_answer(UserSessionList, self._client.call("GET", _SESSIONS)).sessions

    def end(self, session_id: str) -> None:
        """End one session."""
        self._client.call("DELETE", f"{_SESSIONS}/{quote(session_id, safe='')}")

    def end_others(self) -> int:
        """End all sessions but the caller's; return how many."""
        return read_answer(SessionsEnded, self._client.call("DELETE", _SESSIONS)).ended

    def sign_out(self) -> None:
        """Revoke the credential of this connection."""
        self._client.call("POST", "/api/nixos/logout")


class DeviceCalls:
    """The calls of a program that has no credential yet (RFC 8628). Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def begin(self, wanted: Mapping[str, Any]) -> DeviceAnswer:
        """Return the codes: ``wanted`` is a ``DeviceRequest``."""
        return read_answer(DeviceAnswer, self._client.call("POST", _DEVICE, body=dict(wanted)))

    def wait(self, begun: DeviceAnswer) -> TokenMade:
        """Return the token when the code was confirmed; ``InvalidInput`` where it was refused or is too old."""
        pause = float(begun.interval)
        while True:
            time.sleep(pause)
            try:
                answer = self._client.call("POST", f"{_DEVICE}/token", body={"device_code": begun.device_code})
                return read_answer(TokenMade, answer)
            except InvalidInput as not_yet:
                if not_yet.code not in _WAITING:
                    raise
                pause += not_yet.code == "slow_down"
