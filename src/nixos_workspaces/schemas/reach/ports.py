"""The wire types of ports and previews."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.reach.ports import Listener, PortShare, Visibility, speaks_http
from nixos_workspaces.schemas.wire import Answer, Request, Time

MOST_SECONDS = 30 * 24 * 3600
DEFAULT_LINK_SECONDS = 7 * 24 * 3600
MOST_URL = 2048


class PortAnswer(Answer):
    """A port of a workspace."""

    port: int
    listening: bool = Field(description="Whether a program listens there now.")
    program: str = Field(description="Its name, chosen by the workspace; empty if it is not known.")
    protocol: str = Field(description="http or tcp: a guess by port and program, nothing was asked of it.")
    addresses: list[str] = Field(description="The addresses that it listens on.")
    since: Time | None = Field(description="When the program was started.")
    visibility: Visibility = Field(
        description="private: those who may connect to the workspace; signed_in: everybody who is signed in; "
        "link: everybody with the link."
    )
    shown_program: str = Field(
        description="The program that is shown to others than those who may connect; another one is not. Empty: any."
    )
    expires_at: Time | None = Field(description="When it becomes private again; null: never.")
    url: str | None = Field(description="Address of its preview; null where it has none.")

    @classmethod
    def of(cls, number: int, listener: Listener | None, share: PortShare | None, url: str | None) -> Self:
        """Return a port as it is told."""
        program = listener.program if listener else ""
        return cls(
            port=number,
            listening=listener is not None,
            program=program,
            protocol="http" if speaks_http(number, program) else "tcp",
            addresses=list(listener.addresses) if listener else [],
            since=listener.since if listener else None,
            visibility=share.visibility if share else Visibility.PRIVATE,
            shown_program=share.program if share else "",
            expires_at=share.expires_at if share else None,
            url=url,
        )


class PortList(Answer):
    """The ports on which something listens, or that are shown to others."""

    ports: list[PortAnswer]


class PortChange(Request):
    """The people that a port is shown to."""

    visibility: Visibility = Field(strict=False)
    expires_in: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_SECONDS,
            description="Seconds until it is private again. 0: a link lasts seven days, and signed_in stays.",
        ),
    ] = 0

    def lifetime(self) -> timedelta | None:
        """Return how long it is shown; None for as long as it is not changed."""
        seconds = self.expires_in
        if self.visibility is Visibility.LINK and not seconds:
            seconds = DEFAULT_LINK_SECONDS
        return timedelta(seconds=seconds) if seconds and self.visibility is not Visibility.PRIVATE else None


class SharedPort(Answer):
    """A port that is shown to other people than before."""

    port: PortAnswer
    link: str | None = Field(description="The link, where that is its visibility. It is told this once.")


class PreviewRequest(Request):
    """A preview to be opened in a browser."""

    url: Annotated[str, Field(min_length=1, max_length=MOST_URL, description="Its address, with any path.")]


class PreviewAnswer(Answer):
    """An address that opens a preview once, within half a minute."""

    url: str
