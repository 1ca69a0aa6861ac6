"""The wire types: units, strictness, names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import WorkspaceChange
from nixos_workspaces.schemas.wire import Time, to_bytes, to_gb
from nixos_workspaces.schemas.workspaces import CreateRequest, RebuildRequest, UpdateRequest


@given(st.integers(min_value=250, max_value=1_000_000))
def test_a_size_with_three_decimals_is_shown_as_it_was_asked_for(thousandths: int) -> None:
    assert to_gb(to_bytes(thousandths / 1000)) == thousandths / 1000


@given(st.floats(min_value=0.25, max_value=65_536))
def test_sizes_are_whole_mebibytes_near_what_was_asked_for(gigabytes: float) -> None:
    size = to_bytes(gigabytes)
    assert size % (1 << 20) == 0
    assert abs(size - gigabytes * (1 << 30)) <= (1 << 19)


def test_the_specified_request_becomes_the_model() -> None:
    wanted = CreateRequest.model_validate(
        {
            "name": "my-dev-env",
            "cpu": 2,
            "memory": 4,
            "storage": 20,
            "template": "development",
            "packages": ["git", "git"],
        }
    ).to_model()
    assert wanted.name == "my-dev-env"
    assert wanted.resources == Resources(2.0, 4 << 30, 20 << 30)
    assert wanted.environment == Environment("development", ("git",), ())


@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True).filter(lambda name: not name.startswith("ws-"))
)
def test_host_names_are_names(name: str) -> None:
    assert CreateRequest.model_validate({"name": name}).name == name


@given(st.text(max_size=70))
def test_other_texts_are_no_names(name: str) -> None:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    good = (
        0 < len(name) <= 63
        and set(name) <= letters
        and name[0] != "-"
        and name[-1] != "-"
        and not name.isdigit()
        and not name.startswith("ws-")
    )
    try:
        CreateRequest.model_validate({"name": name})
    except ValidationError:
        assert not good
    else:
        assert good


def test_a_change_carries_only_what_was_given() -> None:
    assert UpdateRequest.model_validate({"cpu": 0.5}).to_model() == WorkspaceChange(cpu=0.5)
    assert UpdateRequest.model_validate({"packages": []}).to_model() == WorkspaceChange(packages=())
    assert UpdateRequest.model_validate({"memory": 0.5, "ports": [81, 80, 80]}).to_model() == WorkspaceChange(
        memory_bytes=1 << 29, ports=(80, 81)
    )


@pytest.mark.parametrize(
    "given_", [{}, {"cpu": None}, {"owner": "b"}, {"name": "create"}, {"cpu": True}, {"cpu": "1"}, {"packages": "git"}]
)
def test_other_changes_are_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UpdateRequest.model_validate(given_)


def test_a_generation_may_be_left_out_but_not_be_null() -> None:
    assert RebuildRequest.model_validate({}).generation is None
    with pytest.raises(ValidationError):
        RebuildRequest.model_validate({"generation": None})


def test_times_are_utc_with_a_z() -> None:
    moment = datetime(2026, 5, 26, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=2)))
    assert TypeAdapter(Time).dump_json(moment) == b'"2026-05-26T10:00:00.005Z"'
    assert TypeAdapter(Time).validate_json(b'"2026-05-26T10:00:00.005Z"') == moment.astimezone(UTC)
