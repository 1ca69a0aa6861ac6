"""Lists are remembered in parts: by row, by what is shown of it, by query. None of it may ever be seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN, Principal, relation
from nixos_workspaces.model.access.shares import Access, Grant, Recipient
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Metrics, Resources
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Page, Phase, Progress, Status, Workspace
from nixos_workspaces.schemas.workspaces import WorkspaceList
from nixos_workspaces.services import DATABASE
from nixos_workspaces.web.routes.workspaces import WrittenRows

LIST = "/api/nixos/workspaces"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Workspace(
    id="ws-1",
    name="first",
    owner_id="ann",
    hostname="first",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.RUNNING,
    resources=Resources(1.0, BYTES_PER_GB, BYTES_PER_GB),
    environment=Environment("minimal", ("git",), (80,)),
)
BUILDING = Progress(Phase.BUILD, 0.5, Sentence("progress.build", {"name": 'a "name"'}))
ROWS = st.builds(
    replace,
    st.just(FIRST),
    id=st.sampled_from(["ws-1", "ws-2", "ws-3"]),
    name=st.sampled_from(["a", "b"]),
    status=st.sampled_from(Status),
    progress=st.sampled_from([None, BUILDING]),
    last_accessed=st.sampled_from([NOW, NOW + timedelta(minutes=1)]),
    owner_name=st.sampled_from(["", "Ann"]),
    grants=st.sampled_from([(), (Grant(Recipient.USER, "bob", Access.EDITOR),)]),
)
PEOPLE = st.sampled_from([ADMIN, Principal("ann", "ann"), Principal("bob", "bob")])
FIGURES = st.none() | st.builds(Metrics, *[st.floats(0, 100)] * 3)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@given(st.lists(st.tuples(st.lists(ROWS, max_size=3), PEOPLE, FIGURES, st.none() | st.text(max_size=9)), max_size=8))
def test_what_is_written_out_of_memory_is_what_would_be_written_anew(
    asked: list[tuple[list[Workspace], Principal, Metrics | None, str | None]],
) -> None:
    """One list after the other, of several people, with rows that change or stay, by a memory that is full at once."""
    rows = WrittenRows(most=2)
    for items, who, figures, cursor in asked:
        page = Page(tuple(items), cursor)
        anew = WorkspaceList.of(page, partial(relation, who), lambda _: figures)  # noqa: B023 - called at once
        for _ in range(2):
            assert json.loads(rows.of(page, who, lambda _: figures)) == anew.model_dump(mode="json")  # noqa: B023


def test_a_row_that_another_program_changes_is_shown_as_it_is(web: Web) -> None:
    made = web.create("elsewhere")
    with web.http() as http, closing(sqlite3.connect(web.services.settings.data / DATABASE, timeout=30)) as other:

        def shown() -> list[str]:
            return [one["owner"] for one in http.get(LIST, params={"q": "elsewhere"}).json()["workspaces"]]

        assert shown() == ["admin"]
        assert shown() == ["admin"]
        for owner in ("ann", "bob"):
            with other:
                other.execute("UPDATE workspaces SET owner_id = ? WHERE id = ?", (owner, made["id"]))
            assert shown() == [owner]
        with other:
            other.execute("UPDATE workspaces SET owner_id = 'admin' WHERE id = ?", (made["id"],))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("limit=1", 200),
        ("q=%C3%A4+b%26c", 200),
        ("q=", 200),
        ("status=running&sort=name", 200),
        ("sort=-name&template=minimal", 200),
        ("limit=0", 422),
        ("limit=1&limit=2", 422),
        ("limt=1", 422),
        ("status=dead", 422),
        ("cursor=x", 422),
        ("cursor=", 422),
    ],
)
def test_a_query_is_answered_again_as_it_was(web: Web, query: str, status: int) -> None:
    with web.http() as http:
        answers = [http.get(f"{LIST}?{query}") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {status}
    bodies = [answer.json() for answer in answers]
    for body in bodies:
        body.get("error", {}).pop("request_id", None)
        for row in body.get("workspaces", ()):
            row.pop("usage")
    assert bodies == [bodies[0]] * 3
