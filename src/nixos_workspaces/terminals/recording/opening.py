"""Opens what records and what is recorded, and joins both with the terminals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from nixos_workspaces.database import Database
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.terminals import TerminalChoices
from nixos_workspaces.settings import Settings
from nixos_workspaces.terminals.recording.files import RecordingFiles
from nixos_workspaces.terminals.recording.recorder import Recorder, Rules
from nixos_workspaces.terminals.recording.recordings import Recordings
from nixos_workspaces.terminals.ssh_bridge import SSHBridge

DIRECTORY = "recordings"


async def open_recordings(
    settings: Settings,
    database: Database,
    keys: KeyStore,
    bridge: SSHBridge,
    moderated: Callable[[str], None],
) -> tuple[Recordings, Recorder]:
    """Return the recordings of a data directory, and what makes them of the terminals of ``bridge``.

    ``moderated`` is told of workspaces at whose terminals a moderator must be present from now on.
    """
    directory, most = settings.data / DIRECTORY, int(settings.recording_gb * BYTES_PER_GB)
    files = await asyncio.to_thread(RecordingFiles, directory, keys, most)
    rules = Rules(settings.recording, settings.recording_strict)
    recorder = Recorder(database, files, bridge.route, rules)
    recordings = Recordings(database, files, settings.recording, timedelta(days=settings.recording_days))

    def chosen(workspace_id: str, choices: TerminalChoices) -> None:
        bridge.companies.moderate(workspace_id, is_moderated=choices.moderated)
        recorder.look_soon()
        if choices.moderated:
            moderated(workspace_id)

    recordings.on_choice = chosen
    recorder.on_change = bridge.companies.note_recording
    bridge.on_attached = recorder.note_attached
    bridge.companies.is_recorded = recorder.is_recording
    bridge.companies.on_typed = recorder.note_typed
    return recordings, recorder
