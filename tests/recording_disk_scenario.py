"""Run by ``test_recordings`` in a mount namespace: terminals are recorded onto a disk that is full."""

from __future__ import annotations

import sys
from pathlib import Path

from full_disk_scenario import filled, mount
from terminal_web import terminal_place, viewer
from test_recordings import audit, cast_of, ended, opened, output_of, recordings
from waiting import until
from web_service import Web

from nixos_workspaces.settings import RecordingPolicy

MUCH = ("x" * 1000 + "\n") * 12
"""More than what is left of the last page of a file."""


def strict(data: Path) -> None:
    """A terminal that cannot be recorded any more is ended, one that never could be too."""
    with terminal_place(data, recording=RecordingPolicy.REQUIRED, recording_strict=True) as (web, _):
        workspace = str(web.create("strict")["id"])
        terminal = opened(web, workspace, "echo before; exec cat")
        with viewer(web.url, workspace, web.headers, session=terminal, offset=0) as one:
            one.until_output("before")
            until("it is stored", lambda: b"before" in output_of(stored(web, workspace)))
            with filled(data / "recordings"):
                one.type(MUCH)
                one.until_said("exit")
                cut = ended(web, workspace, terminal)
                assert (cut["state"], cut["reason"]) == ("cut", "not_stored"), cut
                assert output_of(cast_of(web, workspace, cut)).startswith(b"before\r\n")
                never = opened(web, workspace, "exec cat")
                with viewer(web.url, workspace, web.headers, session=never, offset=0) as other:
                    other.until_said("exit")
        assert {one["reason"] for one in audit(web, "end-recording")} == {"not_stored"}


def lenient(data: Path) -> None:
    """A terminal goes on, and is recorded again once there is room; nothing is missing that it still kept."""
    with terminal_place(data, recording=RecordingPolicy.REQUIRED) as (web, _):
        workspace = str(web.create("lenient")["id"])
        terminal = opened(web, workspace, "stty -echo; echo before; exec cat")
        with viewer(web.url, workspace, web.headers, session=terminal, offset=0) as one:
            one.until_output("before")
            until("it is stored", lambda: b"before" in output_of(stored(web, workspace)))
            with filled(data / "recordings"):
                one.type(MUCH + "meanwhile\n")
                one.until_output("meanwhile")
                until("it is noticed", lambda: not web.services.recording.recorder.is_recording(workspace, terminal))
            until("it is stored again", lambda: b"meanwhile" in output_of(stored(web, workspace)))
            one.type("\x04")
            one.until_said("exit")
        whole = ended(web, workspace, terminal)
        assert (whole["state"], whole["missing"]) == ("complete", 0), whole
        assert output_of(cast_of(web, workspace, whole)) == f"before\n{MUCH}meanwhile\n".replace("\n", "\r\n").encode()


def stored(web: Web, workspace: str) -> bytes:
    """Return the content of the latest recording."""
    found = recordings(web, workspace)
    return cast_of(web, workspace, found[0]["recording"]) if found else b""


if __name__ == "__main__":
    path = Path(sys.argv[2])
    mount(path / "recordings", "256k")
    {"strict": strict, "lenient": lenient}[sys.argv[1]](path)
