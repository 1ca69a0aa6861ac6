"""The real service over a real OpenSSH server on loopback: what tests of the routes of files start from."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from fakes import FAST, fake_services
from sshd_fixture import LocalSshd, local_sshd
from web_service import Web, running_web

from nixos_workspaces.files import Files, Searches
from nixos_workspaces.services import Services
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.workspaces.reconciler import Timing


@dataclasses.dataclass
class FilesWeb:
    """A service with one running workspace whose files are those of ``server``."""

    web: Web
    server: LocalSshd
    root: str
    """URL path of the workspace."""


@contextmanager
def files_web(data: Path, *, max_upload_gb: float = 64.0, timing: Timing = FAST) -> Iterator[FilesWeb]:
    """Run all of it."""
    with local_sshd() as server:

        @asynccontextmanager
        async def services_over_sshd(path: Path) -> AsyncIterator[Services]:
            bridge = server.bridge()
            files = Files(partial(open_sftp, bridge.connections))
            searches = Searches(files, partial(open_script, bridge.connections))
            async with fake_services(path, timing=timing) as services:
                settings = dataclasses.replace(services.settings, max_upload_gb=max_upload_gb)
                yield dataclasses.replace(services, files=files, searches=searches, settings=settings)
            await files.close()
            await bridge.close()

        with running_web(data, services_over_sshd) as web:
            workspace = web.create("files")
            yield FilesWeb(web, server, f"/api/nixos/workspaces/{workspace['id']}")
