"""Settings: what is given reaches every process, and what cannot be read is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from nixos_workspaces.cli.operate.up import child_environment
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.settings import LogLevel, Settings, load


def test_the_parts_of_up_run_with_its_settings() -> None:
    given = Settings(data=Path("/d"), port=1, builds=3, log_level=LogLevel.WARNING, stop_workspaces=True)
    assert load({}, child_environment(given, {})) == given


def test_a_log_level_is_read_in_any_case() -> None:
    assert load({}, {"NIXWS_LOG_LEVEL": "Warning"}).log_level is LogLevel.WARNING


def test_what_is_no_log_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"log_level: 'loud' is not one of debug, info, warning, error\.") as refused:
        load({}, {"NIXWS_LOG_LEVEL": "loud"})
    assert refused.value.field == "log_level"
