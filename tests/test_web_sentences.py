"""Sentences for wrong requests: all are ours, none of pydantic's reaches a user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core._pydantic_core import list_all_errors
from web_service import Web, running_web

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.web.routes.terminals.messages import read, read_query

ID = "00" * 8
WRONG: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    10**30,
    "",
    "x" * 20_000,
    "\0",
    "é",
    [],
    [None],
    [[]],
    {},
    {"a": 1},
)
VOCABULARY = frozenset(
    part.strip()
    for error in list_all_errors()
    for part in re.split(r"\{\w+\}", error["message_template_python"])
    if len(part.strip()) >= 12
)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def is_ours(message: str) -> bool:
    """Tell whether a message is a sentence without any part of pydantic's."""
    return message[-1] in ".?" and not any(part in message for part in VOCABULARY)


def test_the_vocabulary_is_pydantics() -> None:
    assert not is_ours("Extra inputs are not permitted.")
    assert not is_ours("cpu: Input should be a valid number.")
    assert not is_ours("name: Field required.")


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and schema of every JSON body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            if schema is None:
                continue
            for part in schema.get("anyOf", [schema]):
                if "$ref" in part:
                    yield method.upper(), path, document["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
                elif "properties" in part:
                    yield method.upper(), path, part


def filled(path: str) -> str:
    return path.replace("{workspace_id}", "sentences").replace("{file_path}", "x").replace("{terminal_id}", ID)


def test_wrong_values_and_unknown_fields_of_every_body_are_said_in_our_words(web: Web) -> None:
    web.create("sentences")
    told: dict[str, str] = {}
    with web.http() as http:
        found = list(bodies(http.get("/api/openapi.json").json()))
        for method, path, schema in found:
            wanted: list[Any] = [{}, [], "x", 5, {"memroy": 1}, {"a\nb": 1}]
            wanted += [{name: value} for name in schema["properties"] for value in WRONG]
            # Half of the sign-in's rate is used up by a few wrong ones.
            wanted = wanted[:6] if path.endswith("login") else wanted
            for body in wanted:
                answer = http.request(method, filled(path), json=body)
                if answer.status_code in (400, 422):
                    told[answer.json()["error"]["message"]] = f"{method} {path} {str(body)[:60]}"
    assert len(found) >= 10
    assert len(told) > 60
    assert {said: of for said, of in told.items() if not is_ours(said)} == {}


def test_wrong_queries_of_every_route_are_said_in_our_words(web: Web) -> None:
    told: dict[str, str] = {}
    with web.http() as http:
        for path, operations in http.get("/api/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                if "{upload_id}" in path:
                    continue
                names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
                for name in (*names, "unknwon"):
                    for value in ("", "x", "-1", "1.5", "9" * 30, "x" * 600, "\0"):
                        answer = http.request(method.upper(), filled(path), params={name: value})
                        if answer.status_code in (400, 422) and method != "options":
                            told[answer.json()["error"]["message"]] = f"{method} {path}?{name}={value[:20]}"
    assert len(told) > 15
    assert {said: of for said, of in told.items() if not is_ours(said)} == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "said"),
    [
        ("PATCH", "", {"memroy": 2}, "memroy", "There is no field `memroy`; did you mean `memory`?"),
        ("PATCH", "", {"Name": "b"}, "Name", "There is no field `Name`; did you mean `name`?"),
        (
            "PATCH",
            "",
            {"colour": 2},
            "colour",
            "There is no field `colour`; there are cpu, memory, name, packages, ports, storage, template.",
        ),
        ("POST", "/terminals", {"colums": 2}, "colums", "There is no field `colums`; did you mean `cols`?"),
        (
            "POST",
            "/rebuild",
            {"generations": 2},
            "generations",
            "There is no field `generations`; did you mean `generation`?",
        ),
        ("PATCH", "", {"cpu": "much"}, "cpu", "cpu has to be a number."),
        ("PATCH", "", {"cpu": 0.1}, "cpu", "cpu has to be at least 0.25."),
        ("PATCH", "", {"ports": [80, "x"]}, "ports", "ports.1 has to be a whole number."),
        ("PATCH", "", {"ports": 80}, "ports", "ports has to be a list."),
        ("PATCH", "?force=1", {"cpu": 1}, "force", "There is no query parameter `force`; none is taken here."),
        ("GET", "/../?limt=1", None, "limt", "There is no query parameter `limt`; did you mean `limit`?"),
        ("GET", "/../?limit=0", None, "limit", "limit has to be at least 1."),
        ("GET", "/../?status=dead", None, "status", "status has to be one of 'creating', "),
        ("PATCH", "/files/x", {"mdoe": "755"}, "mdoe", "There is no field `mdoe`; did you mean `mode`?"),
        ("GET", "/files?hiden=1", None, "hiden", "There is no query parameter `hiden`; did you mean `hidden`?"),
    ],
)
def test_what_is_wrong_is_named_with_what_there_is(
    web: Web, method: str, path: str, body: object, field: str, said: str
) -> None:
    where = (
        "/api/nixos/workspaces" + path.removeprefix("/../")
        if path.startswith("/..")
        else f"/api/nixos/workspaces/sentences{path}"
    )
    with web.http() as http:
        answer = http.request(method, where, json=body) if body is not None else http.request(method, where)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (422, field), error
    assert error["message"].startswith(said)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('{"type": "resize", "cols": 80, "row": 24}', "There is no field `row`; did you mean `rows`?"),
        ('{"type": "input", "data": "x", "force": true}', "There is no field `force`; there are data, type."),
        ('{"type": "ping", "id": 1}', "There is no field `id`; there are type."),
    ],
)
def test_a_terminal_names_the_field_that_there_is_not(message: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(message, binary=False)
    assert refused.value.message == said
    with pytest.raises(InvalidInput) as refused:
        read_query([("offest", "1")])
    assert refused.value.message == "There is no query parameter `offest`; did you mean `offset`?"
