"""SCIM 2.0 over HTTP: a conformance checker, a client library, and what Entra and Okta send."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fakes import fake_services
from people_fixture import Person, person, workspace
from policy_place import SUBJECTS
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Group, PatchOp, SCIMException, ScimProvider, User
from scim2_server.routing import ROUTES, Operation
from scim2_tester import Status, check_server
from web_service import Web, running_web
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from nixos_workspaces.auth.operations import PROVISIONING
from nixos_workspaces.auth.policy import RULES, Role, Scope
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.settings import Settings
from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.windows import Rate

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    data = Path(tmp_path_factory.mktemp("web"))
    with running_web(data, partial(fake_services, settings=Settings(data=data, scim=True))) as running:
        running.server._fastapi.state.rates._refused = Rate(10_000)
        yield running


@pytest.fixture(scope="module")
def provider(web: Web) -> Person:
    """Return the service account of the provider, with a token of the scope that it needs."""
    with web.http() as http:
        wanted = {"handle": "provider", "role": "admin", "kind": "service_account"}
        user = http.post("/api/nixos/users", json=wanted).json()["user"]
        made = http.post("/api/nixos/tokens", json={"name": "scim", "user": "provider", "scopes": ["admin"]}).json()
    return Person(web, user["id"], made["secret"], made["token"]["id"])


def ask(who: Person, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
    with who.http() as http:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/scim+json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return http.request(method, f"/scim/v2{path}", headers=headers, content=content)


def make(who: Person, user_name: str, /, **more: Any) -> dict[str, Any]:
    answer = ask(who, "POST", "/Users", {"schemas": [USER], "userName": user_name, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def patch(who: Person, path: str, *operations: Any, **headers: str) -> httpx2.Response:
    return ask(who, "PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)


def patched(who: Person, path: str, *operations: Any, **headers: str) -> dict[str, Any]:
    """Return the resource after a patch, which is answered without it."""
    answer = patch(who, path, *operations, **headers)
    assert answer.status_code == 204, answer.text
    found: dict[str, Any] = ask(who, "GET", path).json()
    return found


def listed(who: Person, kind: str, wanted: str, **more: str) -> list[str]:
    with who.http() as http:
        answer = http.get(f"/scim/v2/{kind}", params={"filter": wanted, **more})
    assert answer.status_code == 200, answer.text
    name = "userName" if kind == "Users" else "displayName"
    return [one[name] for one in answer.json().get("Resources", [])]


def refused(answer: httpx2.Response, status: int, keyword: str | None = None) -> str:
    """Require the error shape of RFC 7644, section 3.12; return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/scim+json")
    body = answer.json()
    assert (body["schemas"], body["status"], body.get("scimType")) == ([ERROR], str(status), keyword), body
    return str(body["detail"])


def entries(web: Web, action: str) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        async with web.services.database.reading() as tx:
            return [entry for _, entry in await tx.audit.entries() if entry.action == action]

    return web.run(read())


def test_a_checker_of_conformance_finds_nothing(provider: Person) -> None:
    with provider.http() as http:
        http.base_url = httpx2.URL(f"{provider.web.url}/scim/v2")
        results = check_server(SyncSCIMClient(http))
    assert len(results) > 40
    bad = [
        f"{one.title} {one.resource_type}: {one.reason}"
        for one in results
        if one.status not in {Status.SUCCESS, Status.SKIPPED}
    ]
    # Removing it never ends or begins anything: a user always is active or not.
    assert bad == ["check_remove_attribute User: Attribute 'active' was not removed"], "\n".join(bad)


def test_a_client_library_makes_finds_changes_and_deletes(provider: Person) -> None:
    """As a program of others is written: its types are not ours to check."""
    with provider.http() as http:
        http.base_url = httpx2.URL(f"{provider.web.url}/scim/v2")
        scim: Any = SyncSCIMClient(http, provider=ScimProvider([User, Group]))
        wanted: dict[str, Any] = {"userName": "bjensen@example.com", "externalId": "701984", "displayName": "Babs"}
        user = scim.create(User.model_validate({"schemas": [USER], **wanted}))
        assert user.meta.version
        page = scim.query(User, query_parameters={"filter": 'externalId eq "701984"'})
        assert page.total_results == 1
        wanted = {"displayName": "Tour Guides", "members": [{"value": user.id}]}
        group = scim.create(Group.model_validate({"schemas": [GROUP], **wanted}))
        assert [one.value for one in group.members] == [user.id]
        operation = {"op": "remove", "path": f'members[value eq "{user.id}"]'}
        scim.modify(Group, group.id, PatchOp[Group].model_validate({"schemas": [PATCH], "Operations": [operation]}))
        assert not scim.query(Group, group.id).members
        scim.delete(Group, group.id)
        scim.delete(User, user.id)
        with pytest.raises(SCIMException, match="no User"):
            scim.query(User, user.id)


def test_what_entra_sends(provider: Person, web: Web) -> None:
    """As its documentation has it: booleans as strings, filters that describe new entries, members by value."""
    assert listed(provider, "Users", 'userName eq "Test_User_11bb@example.com"') == []
    made = ask(
        provider,
        "POST",
        "/Users",
        {
            "schemas": [USER, ENTERPRISE],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Test_User_11bb@example.com",
            "active": True,
            "emails": [{"primary": True, "type": "work", "value": "Test_User_11bb@testuser.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
            "roles": [],
            "title": "not kept",
            ENTERPRISE: {"department": "not kept"},
        },
    )
    assert made.status_code == 201, made.text
    user = made.json()
    path = f"/Users/{user['id']}"
    assert made.headers["location"] == user["meta"]["location"] == f"{web.url}/scim/v2{path}"
    assert listed(provider, "Users", 'userName eq "test_user_11BB@example.com"') == ["Test_User_11bb@example.com"]
    told = patched(
        provider,
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@example.com"},
        {"op": "Add", "path": 'emails[type eq "home"].value', "value": "home@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "ignored"},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "auditor"},
    )
    assert {one["value"] for one in told["emails"]} == {"updatedEmail@example.com", "home@example.com"}
    assert told["name"]["familyName"] == "updatedFamilyName"
    assert told["roles"][0]["value"] == "auditor"
    for given, state in (("False", False), ("True", True), ("false", False)):
        told = patched(provider, path, {"op": "Replace", "path": "active", "value": given})
        assert told["active"] is state
    with web.http() as http:
        kept = http.get(f"/api/nixos/users/{user['id']}").json()["user"]
    assert (kept["state"], kept["role"], kept["handle"]) == ("suspended", "auditor", "test_user_11bb")
    group = {"schemas": [GROUP], "externalId": "8aa1a0c0", "displayName": "Contoso Engineering", "members": []}
    made = ask(provider, "POST", "/Groups", group)
    assert made.status_code == 201, made.text
    of_group = f"/Groups/{made.json()['id']}"
    patch(provider, of_group, {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user["id"]}]})
    slim = ask(provider, "GET", f"{of_group}?excludedAttributes=members").json()
    assert "members" not in slim
    assert [one["value"] for one in ask(provider, "GET", of_group).json()["members"]] == [user["id"]]
    by_value = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": user["id"]}]}
    assert "members" not in patched(provider, of_group, by_value)
    assert ask(provider, "DELETE", of_group).status_code == 204
    refused(ask(provider, "GET", of_group), 404)


def test_what_okta_sends(provider: Person, web: Web) -> None:
    """It reads with a page, writes whole users by PUT, and deactivates by a value without a path."""
    listing = ask(provider, "GET", "/Users?filter=userName%20eq%20%22okta%40example.com%22&startIndex=1&count=100")
    assert listing.json()["totalResults"] == 0
    user = make(
        provider,
        "okta@example.com",
        name={"givenName": "Ok", "familyName": "Ta"},
        emails=[{"primary": True, "value": "okta@example.com", "type": "work"}],
        displayName="Ok Ta",
        locale="en-US",
        externalId="00ujl29u0le5T6Aj10h7",
        groups=[],
        password="1mz050nq",
        active=True,
    )
    assert "password" not in user
    path = f"/Users/{user['id']}"
    whole = {**user, "name": {"givenName": "Another", "familyName": "Ta"}, "displayName": "Another Ta"}
    answer = ask(provider, "PUT", path, whole)
    assert (answer.status_code, answer.json()["displayName"]) == (200, "Another Ta")
    assert not patched(provider, path, {"op": "replace", "value": {"active": False}})["active"]
    group = ask(provider, "POST", "/Groups", {"schemas": [GROUP], "displayName": "Okta People"}).json()
    of_group = f"/Groups/{group['id']}"
    added = patched(
        provider,
        of_group,
        {"op": "replace", "value": {"id": group["id"], "displayName": "Okta Humans"}},
        {"op": "add", "path": "members", "value": [{"value": user["id"], "display": "okta@example.com"}]},
    )
    assert added["displayName"] == "Okta Humans"
    assert ask(provider, "GET", path).json()["groups"][0]["value"] == group["id"]
    emptied = patched(provider, of_group, {"op": "remove", "path": f'members[value eq "{user["id"]}"]'})
    assert "members" not in emptied
    with web.http() as http:
        names = {one["id"]: one["name"] for one in http.get("/api/nixos/groups").json()["groups"]}
    assert names[group["id"]] == "okta-people"


def test_filters_sorting_and_pages(provider: Person) -> None:
    names = [f"page-{number}@example.com" for number in range(7)]
    for number, name in enumerate(names):
        make(provider, name, externalId=f"ext-{number}", active=number % 2 == 0)
    assert listed(provider, "Users", 'externalId eq "ext-3"') == [names[3]]
    assert listed(provider, "Users", 'externalId eq "EXT-3"') == []
    pages = 'userName sw "page-" and userName co "@example"'
    assert listed(provider, "Users", f"{pages} and active eq false", sortBy="userName") == names[1::2]
    assert (
        listed(provider, "Users", 'userName eq "page-1@example.com" or externalId eq "ext-2"', sortBy="userName")
        == names[1:3]
    )
    second = listed(provider, "Users", pages, sortBy="userName", startIndex="3", count="2")
    assert second == names[2:4]
    with provider.http() as http:
        page = http.get("/scim/v2/Users", params={"filter": pages, "startIndex": "6", "count": "1000"}).json()
        assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (7, 6, 2)
        none = http.get("/scim/v2/Users", params={"filter": pages, "count": "0"}).json()
        assert (none["totalResults"], none.get("Resources", [])) == (7, [])
        for wrong in ("userName eq", "userName xx 1", "(" * 1000, "active gt true"):
            refused(http.get("/scim/v2/Users", params={"filter": wrong}), 400, "invalidFilter")
        refused(http.get("/scim/v2/Users", params={"filter": "x" * 5000}), 400, "invalidValue")


def test_versions(provider: Person, web: Web) -> None:
    """A change by whatever way makes another version, and who has an old one changes nothing."""
    user = make(provider, "versions@example.com")
    path, old = f"/Users/{user['id']}", user["meta"]["version"]
    assert ask(provider, "GET", path, If_None_Match=old).status_code == 304
    with web.http() as http:
        assert http.patch(f"/api/nixos/users/{user['id']}", json={"state": "suspended"}).is_success
    assert ask(provider, "GET", path, If_None_Match=old).status_code == 200
    active = {"op": "replace", "path": "active", "value": True}
    refused(patch(provider, path, active, If_Match=old), 412)
    refused(ask(provider, "DELETE", path, If_Match=old), 412)
    now = ask(provider, "GET", path).headers["etag"]
    assert patched(provider, path, active, If_Match=now)["active"]


def test_a_name_is_one_users(provider: Person) -> None:
    user, other = make(provider, "unique@example.com"), make(provider, "unique@example.org")
    refused(ask(provider, "POST", "/Users", {"schemas": [USER], "userName": "UNIQUE@example.com"}), 409, "uniqueness")
    rename = {"op": "replace", "path": "userName", "value": user["userName"]}
    refused(patch(provider, f"/Users/{other['id']}", rename), 409, "uniqueness")
    # A person who was there before the provider has their handle as the name.
    refused(ask(provider, "POST", "/Users", {"schemas": [USER], "userName": "Admin"}), 409, "uniqueness")
    group = {"schemas": [GROUP], "displayName": "Same"}
    assert ask(provider, "POST", "/Groups", group).status_code == 201
    refused(ask(provider, "POST", "/Groups", {**group, "displayName": "same"}), 409, "uniqueness")


def drain(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=5)


def test_who_is_suspended_loses_all_within_a_second(provider: Person, web: Web) -> None:
    user = make(provider, "leaver@example.com")
    leaver = person(web, user["id"])
    with connect(
        f"{web.url.replace('http', 'ws', 1)}/ws/nixos/events",
        additional_headers={"Authorization": f"Bearer {leaver.token}"},
        proxy=None,
    ) as socket:
        assert leaver.ask("GET", "/session").status_code == 200
        begun = time.monotonic()
        patch(provider, f"/Users/{user['id']}", {"op": "Replace", "path": "active", "value": "False"})
        assert leaver.ask("GET", "/session").status_code == 401
        with pytest.raises(ConnectionClosed):
            drain(socket)
        took = time.monotonic() - begun
    assert took <= 1.0, took


def test_a_deleted_user_leaves_their_work(provider: Person, web: Web) -> None:
    """Suspended and unknown to the provider; another of that name has nothing of theirs."""
    user = make(provider, "gone@example.com")
    at = workspace(web, "ws-00000000901e", user["id"], "kept")
    assert ask(provider, "DELETE", f"/Users/{user['id']}").status_code == 204
    refused(ask(provider, "GET", f"/Users/{user['id']}"), 404)
    refused(ask(provider, "DELETE", f"/Users/{user['id']}"), 404)
    assert listed(provider, "Users", 'userName eq "gone@example.com"') == []
    with web.http() as http:
        assert http.get(f"/api/nixos/workspaces/{at}").json()["workspace"]["name"] == "kept"
        assert http.get(f"/api/nixos/users/{user['id']}").json()["user"]["state"] == "suspended"
    again = make(provider, "gone@example.com")
    with web.http() as http:
        handles = [http.get(f"/api/nixos/users/{one['id']}").json()["user"]["handle"] for one in (user, again)]
    assert handles == ["gone", "gone-2"]
    told = [one.detail for one in entries(web, "delete-user") if one.detail and one.detail["user"] == user["id"]]
    assert [one["user_name"] for one in told] == ["gone@example.com"]


def test_nobody_ends_the_last_administrator(provider: Person, web: Web) -> None:
    """The provider's own account is no person, and does not count."""
    path = "/Users/admin"
    for operation in (
        {"op": "replace", "path": "active", "value": "False"},
        {"op": "add", "path": "roles", "value": [{"value": "member"}]},
    ):
        assert "last administrator" in refused(patch(provider, path, operation), 409)
    refused(ask(provider, "DELETE", path), 409)
    whole = {"schemas": [USER], "userName": "admin", "active": False}
    refused(ask(provider, "PUT", path, whole), 409)
    with web.http() as http:
        kept = http.get("/api/nixos/users/admin").json()["user"]
    assert (kept["role"], kept["state"]) == ("admin", "active")
    # A provider that says nothing of roles takes none away.
    assert ask(provider, "PUT", path, {**whole, "active": True, "displayName": "Root"}).status_code == 200


def test_roles(provider: Person, web: Web) -> None:
    user = make(provider, "roles@example.com", roles=[{"value": "auditor"}])

    def role() -> str:
        with web.http() as http:
            return str(http.get(f"/api/nixos/users/{user['id']}").json()["user"]["role"])

    assert role() == "auditor"
    path = f"/Users/{user['id']}"
    for wrong in ([{"value": "root"}], [{"value": "admin"}, {"value": "member"}], [{"display": "admin"}]):
        refused(patch(provider, path, {"op": "replace", "path": "roles", "value": wrong}), 400, "invalidValue")
    patch(provider, path, {"op": "replace", "path": "roles", "value": [{"value": "admin"}]})
    assert role() == "admin"
    patch(provider, path, {"op": "remove", "path": "roles"})
    assert role() == "member"


BAD: dict[str, tuple[str, str, Any, int, str | None]] = {
    "no JSON": ("POST", "/Users", "{", 400, "invalidSyntax"),
    "key twice": ("POST", "/Users", '{"userName": "a", "userName": "b"}', 400, "invalidSyntax"),
    "nothing": ("POST", "/Users", "", 400, "invalidSyntax"),
    "no name": ("POST", "/Users", {"schemas": [USER]}, 400, "invalidValue"),
    "empty name": ("POST", "/Users", {"schemas": [USER], "userName": " "}, 400, "invalidValue"),
    "long name": ("POST", "/Users", {"schemas": [USER], "userName": "x" * 255}, 400, "invalidValue"),
    "control characters": ("POST", "/Users", {"schemas": [USER], "userName": "a\u0007b"}, 400, "invalidValue"),
    "wrong type": ("POST", "/Users", {"schemas": [USER], "userName": {"a": 1}}, 400, "invalidValue"),
    "too large": ("POST", "/Users", {"schemas": [USER], "userName": "x" * 300_000}, 413, None),
    "a stranger in a group": (
        *("POST", "/Groups"),
        {"schemas": [GROUP], "displayName": "Wrong", "members": [{"value": "usr-none"}]},
        *(400, "invalidValue"),
    ),
    "no target": (
        *("PATCH", "/Users/admin"),
        {
            "schemas": [PATCH],
            "Operations": [{"op": "replace", "path": 'emails[type co "x"].value', "value": "a@b.example"}],
        },
        *(400, "noTarget"),
    ),
    "no path": (
        *("PATCH", "/Users/admin"),
        {"schemas": [PATCH], "Operations": [{"op": "remove"}]},
        *(400, "noTarget"),
    ),
    "read only": (
        *("PATCH", "/Users/admin"),
        {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "id", "value": "x"}]},
        *(400, "mutability"),
    ),
    "bulk": ("POST", "/Bulk", {"Operations": []}, 501, None),
    "me": ("GET", "/Me", None, 501, None),
    "no such kind": ("GET", "/Devices", None, 404, None),
    "no such user": ("GET", "/Users/%00", None, 404, None),
    "method": ("PUT", "/Users", {}, 405, None),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_the_protocols_shape(provider: Person, case: str) -> None:
    method, path, body, status, keyword = BAD[case]
    with provider.http() as http:
        content = body if isinstance(body, str) else None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/scim+json"}
        refused(http.request(method, f"/scim/v2{path}", content=content, headers=headers), status, keyword)


def test_every_operation_has_a_row() -> None:
    assert set(PROVISIONING) == {one.value for one in Operation}
    assert {one.operation.value for one in ROUTES} == set(PROVISIONING)


def test_only_administrators_within_their_scope(web: Web) -> None:
    """Every operation by everybody: as the policy's row says, and in the protocol's shape where it refuses."""
    paths = {"resource_id": "admin", "endpoint": "Users"}
    with httpx2.Client(base_url=web.url, timeout=20, trust_env=False, verify=False) as http:
        for who, one in {name: make_one(web) for name, make_one in SUBJECTS.items()}.items():
            principal = web.run(web.services.tokens.authenticate(one.token))
            for route in ROUTES:
                rule = RULES[PROVISIONING[route.operation.value]]
                is_scoped = principal.scopes is None or Scope.ADMIN in principal.scopes
                is_let = principal.role in rule.roles and is_scoped and principal.workspaces is None
                headers = {"Authorization": f"Bearer {one.token}", "Content-Type": "application/scim+json"}
                # Requests that change nothing where they are let.
                path = route.pattern.format(**{**paths, "resource_id": "none"})
                answer = http.request(route.method, f"/scim/v2{path}", headers=headers, content=b"{}")
                assert (answer.status_code != 403) == is_let, (who, route, answer.text)
        for headers in ({}, {"Authorization": "Bearer nope"}):
            answer = http.get("/scim/v2/ServiceProviderConfig", headers=headers)
            refused(answer, 401)
            assert "Bearer" in answer.headers["www-authenticate"]


def test_a_browser_session_is_no_credential(web: Web) -> None:
    with web.http() as http:
        session = http.post("/api/nixos/login", json={"token": web.token})
        cookie = session.headers["set-cookie"].partition(";")[0]
    with httpx2.Client(base_url=web.url, headers={"Cookie": cookie}, trust_env=False, verify=False) as http:
        assert http.get("/api/nixos/session").status_code == 200
        refused(http.get("/scim/v2/Users"), 401)


def test_changes_are_audited_as_the_providers(provider: Person, web: Web) -> None:
    user = make(provider, "audited@example.com")
    patch(provider, f"/Users/{user['id']}", {"op": "replace", "path": "externalId", "value": "new"})
    patch(provider, f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": False})
    group = {"schemas": [GROUP], "displayName": "Audited", "members": [{"value": user["id"]}]}
    ask(provider, "POST", "/Groups", group)
    for action in ("create-user", "provision-user", "change-user", "create-group", "join-group"):
        last = entries(web, action)[-1]
        assert (last.actor, last.chain[-1], last.outcome) == (provider.id, provider.token_id, "accepted"), action
        assert last.request_id
    told = [one.detail for one in entries(web, "provision-user") if one.detail and one.detail["user"] == user["id"]]
    assert [one["new"] for one in told] == [{"external_id": "new"}]


def test_too_many_requests(provider: Person, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "PROVISIONING", Rate(1))
    other = person(web, "quick", Role.ADMIN)
    assert ask(other, "GET", "/Users").status_code == 200
    answer = ask(other, "GET", "/Users")
    refused(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert ask(provider, "GET", "/Users/admin").status_code in {200, 429}


def test_without_the_setting_there_is_nothing(tmp_path: Path) -> None:
    with running_web(tmp_path) as web, web.http() as http:
        for route in ROUTES:
            path = route.pattern.format(endpoint="Users", resource_id="admin")
            assert http.request(route.method, f"/scim/v2{path}").status_code == 404
        http.headers.pop("authorization")
        assert http.get("/scim/v2/Users").status_code == 404
