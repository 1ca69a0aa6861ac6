"""Addresses of previews: ``PORT--NAME`` below the apps domain, an origin of its own for each port.

A workspace whose name leaves no room for that in a label (63 letters, RFC 1035) is named by its id. The browser's
address of the service gives scheme and port. Where that is allowed, ``/w/NAME/ports/PORT`` on the service's own host
names a preview too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from nixos_workspaces.model.names import is_port, is_reference
from nixos_workspaces.model.workspace import Workspace

LONGEST_LABEL = 63
_LOCAL = ".localhost"
_LABEL = re.compile(r"([0-9]{1,10})--([a-z0-9-]{1,60})")
_BASE = re.compile(r"/w/([a-z0-9-]{1,60})/ports/([0-9]{1,10})(?=[/?]|$)")
_PORT = re.compile(r":[0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class PreviewHost:
    """The host of a request, and its path where that decides, as far as they name a preview."""

    host: str
    """In lower case, without the dot at its end, with the port if there is one."""
    port: int
    """As it was named: it may be none that there is."""
    reference: str
    """The workspace's name or id."""
    base: str = ""
    """The path below which everything is the program's, without a slash at its end; empty where the whole host is."""

    @property
    def is_possible(self) -> bool:
        """Whether there can be such a port and such a workspace."""
        return is_port(self.port) and is_reference(self.reference)


class PreviewAddresses:
    """The addresses of previews of one service."""

    def __init__(self, domain: str, public_url: str, *, by_path: bool = False) -> None:
        """Take hosts right below ``domain`` for previews; ``public_url`` is empty where each request tells it.

        ``by_path``: paths of the service's own host name previews besides.
        """
        self._by_path = by_path
        self._below = f".{domain.lower().strip('.')}"
        self._public_url = public_url

    def host(self, value: str) -> PreviewHost | None:
        """Return the preview that the value of a ``Host`` header names; None for the host of the service itself."""
        name, colon, port = value.lower().rpartition(":")
        if not colon or not _PORT.fullmatch(colon + port):
            name, port = value.lower(), ""
        name = name.removesuffix(".")
        if not name.endswith(self._below):
            return None
        label = _LABEL.fullmatch(name.removesuffix(self._below))
        if label is None:
            return None
        return PreviewHost(f"{name}:{port}" if port else name, int(label[1]), label[2])

    def named(self, host: str, path: str) -> PreviewHost | None:
        """Return the preview that a ``Host`` header names, or a path of another host; None for the service itself."""
        if (found := self.host(host)) is not None or not self._by_path:
            return found
        base = _BASE.match(path)
        return None if base is None else PreviewHost(host.lower(), int(base[2]), base[1], base[0])

    def is_preview(self, host: bytes, target: bytes) -> bool:
        """Tell whether a ``Host`` header, or the target of a request with it, names a preview."""
        return self.named(host.decode("latin-1"), target.decode("latin-1")) is not None

    def url_by_path(self, origin: str, host: PreviewHost) -> str:
        """Return the address of a preview that a path names."""
        return f"{self._public_url or origin}{host.base}/"

    def url_for_owner(self, origin: str, workspace: Workspace, port: int) -> str:
        """Return the address at which a workspace's owner reaches a preview from where the service is at ``origin``.

        That is a path where paths are allowed and previews have no names but those of the browser's own machine.
        """
        host = urlsplit(self._public_url or origin).hostname or ""
        is_here = host.endswith("localhost") or host in {"127.0.0.1", "::1"}
        if not self._by_path or self._below != _LOCAL or is_here:
            return self.url(origin, workspace, port)
        return f"{self._public_url or origin}/w/{workspace.name}/ports/{port}/"

    def url(self, origin: str, workspace: Workspace, port: int) -> str:
        """Return the address of a preview's own host; ``origin`` is that of the service in the browser that asks."""
        label = f"{port}--{workspace.name}"
        if len(label) > LONGEST_LABEL:
            label = f"{port}--{workspace.id}"
        parts = urlsplit(self._public_url or origin)
        at = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{label}{self._below}{at}/"

    def service(self, scheme: str, host: PreviewHost) -> str:
        """Return the origin of the service itself, for a link from a preview's page."""
        if self._public_url:
            return self._public_url
        if host.base:
            return f"{scheme}://{host.host}"
        _, colon, port = host.host.rpartition(":")
        return f"{scheme}://{self._below.removeprefix('.')}{colon}{port if colon else ''}"
