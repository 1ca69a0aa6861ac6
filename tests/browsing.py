"""A browser's part in a request by cookie: what the service's own page adds to it."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx2

from nixos_workspaces.web.http.access.forgery import HEADER, csrf_token
from nixos_workspaces.web.http.access.origin import PLAIN_COOKIE, TLS_PREFIX


def _as_page(request: httpx2.Request) -> None:
    """Add the word of the session, unless a test says another."""
    cookies = SimpleCookie(request.headers.get("cookie", ""))
    for name in (PLAIN_COOKIE, TLS_PREFIX + PLAIN_COOKIE):
        if name in cookies:
            request.headers.setdefault(HEADER, csrf_token(cookies[name].value))


PAGE = {"request": [_as_page]}
"""Hooks of a client that stands for a browser on the service's own page."""


def who_is(answer: httpx2.Response) -> tuple[str, str]:
    """Return name and role of an answer that tells of the session."""
    said = answer.json()
    return said["name"], said["role"]
