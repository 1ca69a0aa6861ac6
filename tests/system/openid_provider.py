"""A real, certified OpenID provider on loopback: the package oidc-provider, in Node.js."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients_fixture import NODE
from playwright.sync_api import Page

PROGRAM = Path(__file__).resolve().parents[2] / "ui" / "tests" / "openid" / "provider.mjs"
CLIENT_ID = "nixos-workspaces"
CLIENT_SECRET = "a secret of the client, long enough for the provider"


@dataclass
class OpenIdProvider:
    """The provider."""

    url: str
    process: subprocess.Popen[str]

    def change(self, people: Mapping[str, Mapping[str, Any]]) -> None:
        """Change people's claims."""
        self._send(people)
        self.wait("changed")

    def forge(self, how: str | None) -> None:
        """Let it give forged ID tokens; None: good ones again."""
        self._send({"forge": how})
        self.wait("changed")

    def _send(self, told: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(told)}\n")
        self.process.stdin.flush()

    def wait(self, word: str) -> None:
        """Wait until it says a word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
        message = f"the provider ended before it said {word!r}"
        raise AssertionError(message)

    def begin(self, service: str, people: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell it of the service, its only client, and of the people."""
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [f"{service}/oidc/callback"],
            "post_logout_redirect_uris": [f"{service}/sign-in"],
            "backchannel_logout_uri": f"{service}/oidc/backchannel-logout",
            "backchannel_logout_session_required": True,
        }
        self._send({"client": client, "people": people})
        self.wait("listening")


def enter(page: Page, name: str) -> None:
    """Sign in at the provider, and allow it to tell the service."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def leave(page: Page, provider: OpenIdProvider) -> None:
    """End the session at the provider, by its own page."""
    page.goto(f"{provider.url}/session/end")
    page.get_by_role("button", name="Yes, sign me out").click()
    page.get_by_text("Sign-out Success").wait_for()


@contextmanager
def openid_provider(port: int, service: str, people: Mapping[str, Mapping[str, Any]]) -> Iterator[OpenIdProvider]:
    """Yield a running provider for the service at that address."""
    process = subprocess.Popen(
        [NODE, PROGRAM, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        running = OpenIdProvider(f"http://localhost:{port}", process)
        running.begin(service, people)
        yield running
    finally:
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
