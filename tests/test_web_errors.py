"""Every error leaves in one shape with the right status, whatever goes wrong and wherever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from web_service import Web, running_web

from nixos_workspaces import errors
from nixos_workspaces.client.connection import error_of
from nixos_workspaces.web.http.errors import REFUSALS, STATUS, Refusal, error_body, status_of


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


KINDS: list[type[errors.WorkspacesError]] = errors.WorkspacesError.__subclasses__()


def test_every_class_of_error_has_a_status() -> None:
    ours = {kind for kind in KINDS if kind is not Refusal}
    assert set(STATUS) == ours
    assert {status // 100 for status in (*STATUS.values(), *REFUSALS.values())} == {4, 5}


@pytest.mark.parametrize("kind", list(STATUS))
def test_the_client_raises_what_the_service_raised(kind: type[errors.WorkspacesError]) -> None:
    for code in (None, "some_special_code"):
        error = kind("The fact.", code=code, field="cpu")
        back = error_of(status_of(error), json.dumps(error_body(error, "id")).encode())
        assert (back.code, back.message, back.field) == (error.code, "The fact.", "cpu")
        if code is None:
            assert type(back) is kind


def test_a_subclass_has_the_status_of_its_parent() -> None:
    class Special(errors.Conflict):
        """A conflict of a special kind."""

    assert status_of(Special("x")) == 409
    assert status_of(errors.WorkspacesError("x")) == 500


def filled(path: str) -> str:
    """Return a path of the document with examples for its parts."""
    for part, example in (("workspace_id", "ws-000000000000"), ("name", "NAME"), ("port", "3000"), ("number", "1")):
        path = path.replace(f"{{{part}}}", example)
    return path


def operations(web: Web) -> list[tuple[str, str]]:
    with web.http() as http:
        document = http.get("/api/openapi.json").json()
    return [
        (method.upper(), filled(path))
        for path, methods in document["paths"].items()
        for method in methods
        if method != "options"  # tus clients ask for it before they know anything
    ]


BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "ws-000000000000"): {"json": {"cpu": 1}},
    ("POST", "plan"): {"json": {"cpu": 1}},
    ("PUT", "profile"): {"json": {"dotfiles": None}},
    ("PUT", "NAME"): {"json": {"kind": "environment", "value": "x"}},
    ("POST", "terminals"): {"json": {}},
    ("POST", "shares"): {"json": {"with": "link"}},
    ("POST", "transfer"): {"json": {"to": "nobody"}},
    ("POST", "accept"): {"json": {}},
    ("PUT", "personal-secrets"): {"json": {"deliver": True}},
    ("PUT", "terminal-layout"): {"json": {"version": 0, "layout": {}}},
    ("PUT", "terminal-choices"): {"json": {"record": False, "moderated": False}},
    ("PATCH", "{terminal_id}"): {"json": {"name": "x"}},
    ("GET", "files-search"): {"params": {"q": "x"}},
    ("PUT", "network"): {"json": {"mode": "none"}},
    ("POST", "learn"): {"json": {}},
    ("PUT", "idle"): {"json": {"pause_after": "10m"}},
    ("POST", "hold"): {"json": {"for": "1h"}},
    ("PUT", "schedule"): {"json": {"runs": []}},
    ("PUT", "autoscale"): {"json": {"cpu": {"min": 1, "max": 2}, "memory": {"min": 1, "max": 2}}},
    ("POST", "boost"): {"json": {"cpu": 2, "for": "1h"}},
    ("POST", "proposals"): {"json": {"entries": [{"name": "a.example"}]}},
    ("POST", "approve"): {"json": {}},
    ("PUT", "3000"): {"json": {"visibility": "private"}},
    ("POST", "upload"): {"files": {"file": b"x"}},
    ("POST", "mkdir"): {"json": {"path": "/home/nixos/x"}},
    ("POST", "link"): {"json": {"path": "/home/nixos/x", "target": "y"}},
    ("POST", "copy"): {"json": {"path": "/home/nixos/x", "to": "/home/nixos/y"}},
    ("PUT", "{file_path}"): {"content": b"x"},
    ("PATCH", "{file_path}"): {"json": {"mode": "644"}},
    ("POST", "uploads"): {"headers": {"Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": "path L2E="}},
    ("GET", "{upload_id}"): {"headers": {"Tus-Resumable": "1.0.0"}},
    ("DELETE", "{upload_id}"): {"headers": {"Tus-Resumable": "1.0.0"}},
    ("PATCH", "{upload_id}"): {
        "headers": {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        "content": b"x",
    },
}
"""The input each route needs before it looks up the workspace's owner; by method and the last part of the path."""


BEGINS = {
    ("GET", "/api/nixos/sign-in-methods"),
    ("POST", "/api/nixos/join-as-guest"),
    ("POST", "/api/nixos/device"),
    ("POST", "/api/nixos/device/token"),
    ("POST", "/api/nixos/passkey-login"),
    ("POST", "/api/nixos/passkey-login/challenge"),
}
WITHOUT_BODY = {"/healthz", "/readyz", "/api/nixos/sign-in-methods", "/api/nixos/passkey-login/challenge"}


def shape(answer: Any) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "field", "request_id", "said"}
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


def test_every_route_wants_a_credential(web: Web) -> None:
    """Every route of the document but the open ones answers 401 in the one shape without a token."""
    found = operations(web)
    assert len(found) >= 18
    with httpx2.Client(base_url=web.url, trust_env=False, verify=False) as http:
        for method, path in [*found, ("GET", "/api/openapi.json")]:
            answer = http.request(method, path)
            if path in {"/healthz", "/readyz", "/api/nixos/login"} or (method, path) in BEGINS:
                assert answer.status_code == (200 if path in WITHOUT_BODY else 415)
            else:
                assert answer.status_code == 401, (method, path)
                assert shape(answer)["code"] == "unauthenticated"
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_every_route_refuses_an_unknown_query(web: Web) -> None:
    with web.http() as http:
        for method, path in operations(web):
            if "/uploads/" in path:
                continue  # the tus routes look for the upload first; there is none
            answer = http.request(method, path, params={"surprise": "1"}, headers={"Tus-Resumable": "1.0.0"})
            assert answer.status_code == 422, (method, path)
            assert shape(answer)["field"] == "surprise"


def test_every_workspace_route_says_404_of_what_does_not_exist(web: Web) -> None:
    with web.http() as http:
        for method, path in operations(web):
            if "ws-000000000000" in path:
                answer = http.request(method, path, **BODIES.get((method, path.rsplit("/", 1)[-1]), {}))
                assert answer.status_code == 404, (method, path)
                code = "transfer_not_found" if "/transfers/" in path else "workspace_not_found"
                assert shape(answer)["code"] == code, (method, path)


def test_a_failure_that_nobody_expected_tells_nothing_but_its_id(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is a 500 in the one shape; the log has the trace under the request's id."""
    workspaces = web.services.workspaces
    try:
        object.__setattr__(web.services, "workspaces", None)
        with web.http() as http:
            answer = http.get("/api/nixos/workspaces", headers={"X-Request-Id": "my-request-1"})
    finally:
        object.__setattr__(web.services, "workspaces", workspaces)
    assert answer.status_code == 500
    assert shape(answer) == {
        "code": "internal",
        "message": "Something unexpected failed; the service's log tells more under this request's id.",
        "field": None,
        "request_id": "my-request-1",
        "said": None,
    }
    assert "my-request-1" in caplog.text
    assert "AttributeError" in caplog.text


def test_request_ids_of_clients_are_taken_over_when_sane(web: Web) -> None:
    with web.http() as http:
        assert http.get("/healthz", headers={"X-Request-Id": "abc-123_X.y"}).headers["x-request-id"] == "abc-123_X.y"
        for odd in ("short", "a" * 65, "with blank", "<script>", ""):
            assert http.get("/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"] != odd


def test_methods_are_told(web: Web) -> None:
    path = "/api/nixos/workspaces/none"
    with web.http() as http:
        answer = http.put(path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
        answer = http.options(path)
        assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_the_path_that_creates_is_no_workspace(web: Web, method: str) -> None:
    """It was taken for a workspace of that name."""
    with web.http() as http:
        answer = http.request(method, "/api/nixos/workspaces/create", json={"cpu": 1} if method == "PATCH" else None)
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert answer.json()["error"]["message"].endswith("it answers OPTIONS, POST.")


def test_head_is_get_without_the_body(web: Web) -> None:
    with web.http() as http:
        for path in ("/healthz", "/api/nixos/workspaces", "/api/nixos/workspaces/none", "/"):
            head, get = http.head(path), http.get(path)
            assert head.status_code == get.status_code
            assert head.content == b""
            assert head.headers["content-length"] == get.headers["content-length"]


def test_answers_carry_the_security_headers(web: Web) -> None:
    with web.http() as http:
        for path in ("/", "/healthz", "/api/nixos/workspaces", "/nothing"):
            headers = http.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers
        assert http.get("/api/nixos/workspaces").headers["cache-control"] == "no-store"


def test_the_access_log_has_no_query_and_no_token(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "nixos_workspaces.access")
    with web.http() as http:
        http.get("/api/nixos/workspaces", params={"q": "canary-in-query"})
        http.get("/login", params={"code": "canary-code"})
        http.get("/x%0d%0ainjected")
    assert "/api/nixos/workspaces" in caplog.text
    assert "canary" not in caplog.text
    assert web.token not in caplog.text
    assert "\ninjected" not in caplog.text
