"""The same day in another browser: Debian's Firefox, driven over WebDriver BiDi."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from clients_fixture import NODE
from system.service import Service

pytestmark = pytest.mark.system

JOURNEY = Path(__file__).resolve().parents[2] / "ui" / "tests" / "firefox" / "journey.mjs"
STEPS = ("signed in", "created", "two terminals over a reload", "uploaded and edited", "stopped", "deleted")


def test_a_day_in_firefox(service: Service, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("begun\n")
    done = subprocess.run(
        [NODE, JOURNEY, service.url, notes],
        cwd=JOURNEY.parent,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        input=service.token,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert tuple(done.stdout.splitlines()) == STEPS
