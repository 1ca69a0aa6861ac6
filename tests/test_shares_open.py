"""What is open by a share ends with it: every kind of request and socket into a workspace, within a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from open_things import (
    Open,
    Place,
    archive,
    download,
    followed_log,
    form_upload,
    resumable_upload,
    running_place,
    terminal,
    upload,
)
from people_fixture import Person, group, person

from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.windows import Rate

INTO_A_WORKSPACE = (terminal, followed_log, download, archive, upload, form_upload, resumable_upload)
"""Those of ``open_things.KINDS`` that are open into a workspace."""
MOST_SECONDS = 1.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patched, running_place(Path(tmp_path_factory.mktemp("data"))) as running:
        patched.setattr(rates, "SESSIONS_OF_ACCOUNT", Rate(100_000))
        yield running


def shared(place: Place, **wanted: object) -> str:
    """Share the workspace as its owner; return the share's id."""
    with place.web.http() as http:
        answer = http.post(f"{place.root}/shares", json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["share"]["id"])


def opened(place: Place, kind: Callable[[Place, str], Open], who: Person, status: int) -> Open:
    """Open something that is refused at its end; requests without a last word break off."""
    one = kind(place, who.token)
    code = {404: b'"workspace_not_found"', 403: b'"forbidden"'}[status]
    of_some: dict[Callable[[Place, str], Open], bytes] = {
        terminal: (4000 + status).to_bytes(2, "big"),
        followed_log: code,
        download: b"",
        archive: b"",
    }
    one.last_word = of_some.get(kind, b"HTTP/1.1 %d" % status)
    return one


def assert_ends(one: Open, end: Callable[[], object]) -> None:
    began = time.monotonic()
    end()
    one.wait()
    assert time.monotonic() - began <= MOST_SECONDS


@pytest.mark.parametrize("kind", INTO_A_WORKSPACE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("how", ["revoked", "lowered", "group removed"])
def test_what_is_open_ends_with_its_share(place: Place, kind: Callable[[Place, str], Open], how: str) -> None:
    """Whoever has it; what the owner has open goes on."""
    name = f"{kind.__name__}-{how}".replace("_", "-").replace(" ", "-")
    who = person(place.web, name)
    if how == "group removed":
        group(place.web, f"grp-{name}", [who])
        share_id = shared(place, **{"with": f"group:grp-{name}", "access": "editor"})
    else:
        share_id = shared(place, **{"with": f"user:{name}", "access": "editor"})
    own, hers = kind(place, place.web.token), opened(place, kind, who, 403 if how == "lowered" else 404)
    with place.web.http() as http:

        def end() -> None:
            path = f"/api/nixos/groups/grp-{name}" if how == "group removed" else f"{place.root}/shares/{share_id}"
            assert http.delete(path).status_code == 204

        if how == "lowered":  # to a port, which none of these is
            shared(place, **{"with": f"user:{name}", "part": "port:3000"})
        try:
            assert_ends(hers, end)
            assert not own.over
        finally:
            hers.close()
            own.close()


def test_a_removed_group_leaves_no_share(place: Place) -> None:
    """Neither of a workspace nor of a part of it, nor in what members are shown or told."""
    who = person(place.web, "of-the-group")
    group(place.web, "grp-short", [who])
    shared(place, **{"with": "group:grp-short", "access": "viewer"})
    shared(place, **{"with": "group:grp-short", "part": "port:3000"})
    assert who.ask("GET", f"/workspaces/{place.workspace}").status_code == 200
    with place.web.http() as http:
        assert http.delete("/api/nixos/groups/grp-short").status_code == 204
        left = http.get(f"{place.root}/shares").json()["shares"]
    assert [one for one in left if one["kind"] == "group"] == []
    assert who.ask("GET", f"/workspaces/{place.workspace}").status_code == 404
    assert who.ask("GET", "/workspaces").json()["workspaces"] == []
