"""Settings: what is given reaches every process, and what cannot be read is refused by its name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from nixos_workspaces.cli.operate.up import child_environment
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.settings import LogLevel, Settings, load, unknown_variables

NUMBERS = [one.name for one in fields(Settings) if type(one.default) in {int, float}]
FLOATS = [one.name for one in fields(Settings) if type(one.default) is float]
OFF_AT_ZERO = {"idle_pause", "idle_stop"}


def test_the_parts_of_up_run_with_its_settings() -> None:
    given = Settings(data=Path("/d"), port=1, builds=3, log_level=LogLevel.WARNING, stop_workspaces=True)
    assert load({}, child_environment(given, {})) == given


def test_a_log_level_is_read_in_any_case() -> None:
    assert load({}, {"NIXWS_LOG_LEVEL": "Warning"}).log_level is LogLevel.WARNING


def test_times_of_templates_are_read() -> None:
    given = load({}, {"NIXWS_IDLE_TEMPLATES": "python=10/60, nodejs=0/1.5"})
    assert given.rest_by_template == {"python": (10.0, 60.0), "nodejs": (0.0, 1.5)}


def test_what_is_no_log_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"log_level: 'loud' is not one of debug, info, warning, error\.") as refused:
        load({}, {"NIXWS_LOG_LEVEL": "loud"})
    assert refused.value.field == "log_level"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("port", value) for value in ("-7", "65536", "1e3", "", "five")),
        *(("builds", value) for value in ("0", "-1", "1001", "nan", "1.5")),
        *(("evaluations", value) for value in ("0", "-1")),
        *((name, value) for name in FLOATS for value in ("nan", "inf", "-inf", "-1", "1e300")),
        *((name, "0") for name in FLOATS if name not in OFF_AT_ZERO),
        ("id_base", "0"),
        ("max_body_bytes", "0"),
        ("network", "10.0.0.0"[:-1]),
        ("network", "fd00::/64"),
        ("network", "10.0.0.1/16"),
        ("stop_workspaces", "perhaps"),
        *(("idle_templates", value) for value in ("python", "python=10", "python=1/nan", "python=-1/2", "x=1/43201")),
        ("log_level", "loud"),
    ],
)
def test_what_cannot_work_is_refused_with_its_name(name: str, value: str) -> None:
    for given, environ in (({name: value}, {}), ({}, {f"NIXWS_{name.upper()}": value})):
        with pytest.raises(InvalidInput, match=f"[Ss]etting {name}") as refused:
            load(given, environ)
        assert refused.value.field == name


def test_every_number_has_bounds_that_hold_its_default() -> None:
    for one in fields(Settings):
        if one.name in NUMBERS:
            assert one.metadata["least"] <= one.default <= one.metadata["most"], one.name
    assert load({}, {}) == load({}, {f"NIXWS_{name.upper()}": str(getattr(Settings(), name)) for name in NUMBERS})


def test_variables_that_set_nothing_are_reported() -> None:
    environ = {
        "NIXWS_BUILD": "3",
        "NIXWS_XYZ": "",
        "NIXWS_PORT": "1",
        "NIXWS_URL": "",
        "NIXWS_TEST_SEED": "",
        "HOME": "",
    }
    assert unknown_variables(environ) == [("NIXWS_BUILD", "NIXWS_BUILDS"), ("NIXWS_XYZ", "")]
