"""The service's own TLS: a certificate that is taken up again when its files change, without a restart."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import ExitStack
from pathlib import Path

from nixos_workspaces.errors import InvalidInput

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often the files are looked at."""


class Certificate:
    """A certificate chain with its key, and the context that shows it to new connections."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load both. Raises ``InvalidInput`` naming the setting where they cannot be used."""
        self._chain, self._key = chain, key
        self._seen = self._versions()
        try:
            with ExitStack() as stack:
                self.context = _loaded(*self._copied(stack))
        except (OSError, ssl.SSLError) as unusable:
            raise InvalidInput(
                f"The certificate {chain} with the key {key} cannot be used: {unusable}.", field="tls_certificate"
            ) from unusable

    async def keep_fresh(self) -> None:
        """Take changed files up; ends only by cancellation. What cannot be used yet is tried again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = await asyncio.to_thread(self._versions)
            if found == self._seen:
                continue
            try:
                # First on the side: one that does not fit would leave the context without any. Of copies, because the
                # files may be replaced between the two.
                with ExitStack() as stack:
                    pair = await asyncio.to_thread(self._copied, stack)
                    await asyncio.to_thread(_loaded, *pair)
                    self.context.load_cert_chain(*pair)
            except (OSError, ssl.SSLError) as unusable:
                log.warning("The changed certificate %s is not used yet: %s", self._chain, unusable)
            else:
                self._seen = found
                log.info("The certificate %s was changed and is used from now on", self._chain)

    def _copied(self, stack: ExitStack) -> tuple[str, str]:
        """Return paths of copies of both files, which are in memory only (memfd_create(2)) and end with ``stack``."""
        copies = []
        for path in (self._chain, self._key):
            copy = stack.enter_context(os.fdopen(os.memfd_create("tls", os.MFD_CLOEXEC), "wb"))
            copy.write(path.read_bytes())
            copy.flush()
            copies.append(f"/proc/self/fd/{copy.fileno()}")
        return copies[0], copies[1]

    def _versions(self) -> list[tuple[int, int, int] | None]:
        """Return what changes when a file does; links are followed."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._chain, self._key):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        return found


def _loaded(chain: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain, key)
    return context
