"""The client's calls for the ports of one workspace and their previews."""

from __future__ import annotations

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.model.reach.ports import Visibility
from nixos_workspaces.schemas.reach.ports import PortAnswer, PortList, PreviewAnswer, SharedPort


class PortCalls:
    """The calls for the ports of one workspace, given by its id or name. Raises our own errors."""

    def __init__(self, client: Connection, reference: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{reference}/ports"

    def list(self) -> list[PortAnswer]:
        """Return the ports on which something listens, or that are shown to others."""
        return read_answer(PortList, self._client.call("GET", self._path)).ports

    def get(self, port: int) -> PortAnswer:
        """Return one port, whether anything listens there or not."""
        return read_answer(PortAnswer, self._client.call("GET", f"{self._path}/{port}"))

    def show(self, port: int, visibility: Visibility, seconds: int = 0) -> SharedPort:
        """Show a port to these people; 0 seconds are the usual time."""
        wanted = {"visibility": visibility.value, "expires_in": seconds}
        return read_answer(SharedPort, self._client.call("PUT", f"{self._path}/{port}", body=wanted))

    def open(self, url: str) -> str:
        """Return an address that opens the preview at ``url`` in a browser, once, within half a minute."""
        answer = self._client.call("POST", "/api/nixos/previews", body={"url": url})
        return read_answer(PreviewAnswer, answer).url
