"""Keeping of the last log lines, and sending of traces, around the whole service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nixos_workspaces import __version__
from nixos_workspaces.logs.recent import RECENT
from nixos_workspaces.logs.tracing import start_tracing
from nixos_workspaces.settings import Settings


@asynccontextmanager
async def observed(settings: Settings) -> AsyncIterator[None]:
    """Keep the last lines of the log within the block, and send traces where the settings want it."""
    logging.getLogger().addHandler(RECENT)
    try:
        if not settings.otlp_endpoint:
            yield
            return
        end = await asyncio.to_thread(start_tracing, settings.otlp_endpoint, __version__)  # loading it takes a while
        try:
            yield
        finally:
            await asyncio.to_thread(end)
    finally:
        logging.getLogger().removeHandler(RECENT)
