"""The real application under a real uvicorn on loopback, over real parts with fake engines (``fakes``)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from fakes import fake_services
from waiting import until

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.services import Services
from nixos_workspaces.web.app import create_app
from nixos_workspaces.web.http.access.tls import Certificate
from nixos_workspaces.web.http.server import Server, make_server

T = TypeVar("T")
ServicesAt = Callable[[Path], AbstractAsyncContextManager[Services]]
SMALL = {"cpu": 1, "memory": 1, "storage": 1, "template": "minimal", "packages": ["git"]}


@dataclass
class Web:
    """A running service."""

    url: str
    token: str
    server: Server
    services: Services
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.partition("://")[2].partition(":")
        return host, int(port)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers=self.headers, timeout=20, trust_env=False, verify=False)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def create(self, name: str, **changed: object) -> dict[str, Any]:
        """Make a workspace and wait until it runs."""
        with self.http() as http:
            answer = http.post("/api/nixos/workspaces/create", json={"name": name, **SMALL, **changed})
            assert answer.status_code == 202, answer.text
            return self.reaches(answer.json()["workspace"]["id"], "running")

    def measure(self) -> None:
        """Measure all that runs, as the service does every ten seconds."""
        self.run(self.services.figures.sampler.measure())
        self.run(self.services.figures.sampler.sample())

    def reaches(self, workspace_id: str, status: str) -> dict[str, Any]:
        with self.http() as http:

            def probe() -> dict[str, Any] | None:
                found: dict[str, Any] = http.get(f"/api/nixos/workspaces/{workspace_id}").json()["workspace"]
                return found if found["status"] == status else None

            return until(f"{workspace_id} is {status}", probe)


def _certificate(services: Services) -> Certificate | None:
    """Return the certificate of the settings."""
    chosen = services.settings
    return Certificate(Path(chosen.tls_certificate), Path(chosen.tls_key)) if chosen.tls_certificate else None


@contextmanager
def running_web(
    data: Path,
    services_at: ServicesAt = fake_services,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[Web]:
    """Yield a running service in a thread and loop of its own; stop it as SIGTERM does."""
    started: list[Web] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        async with services_at(data) as services:
            token, _ = await services.tokens.create("tests", principal=ADMIN)
            certificate = _certificate(services)
            app = await asyncio.to_thread(create_app, services)
            server = make_server(app, proxies=services.settings.proxies, certificate=certificate)
            with socket.create_server(("127.0.0.1", 0)) as listener:
                # As uvloop does: asyncio leaves out sockets that do not name TCP, and each answer would take 40 ms.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                url = f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
                web = Web(url, token, server, services, asyncio.get_running_loop())
                started.append(web)
                await server.serve(sockets=[listener])

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(serve())
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=work, name="web-under-test")
    thread.start()
    try:
        until("the service answers", lambda: bool(failed or (started and started[0].server.started)))
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        if started:
            started[0].server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the service does not stop"
    if failed:
        raise failed[0]
