"""How generations differ, over HTTP and by ``nixws``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_nixws import run_nixws
from waiting import until
from web_service import Web, running_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def test_generations_are_compared_by_packages_versions_and_sizes(web: Web) -> None:
    made = web.create("compared", packages=["git"])
    path = f"/api/nixos/workspaces/{made['id']}"
    environment = {**os.environ, "NIXWS_URL": web.url, "NIXWS_TOKEN": web.token}
    with web.http() as http:
        assert http.get(f"{path}/generations/1/diff").json()["bytes_added"] == 0
        alone = run_nixws(["diff", "compared"], environment)
        assert alone.returncode == 3
        assert "no earlier generation" in alone.stderr
        assert http.patch(path, json={"packages": ["python3"]}).is_success
        until("it is built", lambda: http.get(path).json()["workspace"]["generation"] == 2)
        found = http.get(f"{path}/generations/1/diff").json()
        assert (found["first"], found["second"]) == (1, 2)
        assert [(one["name"], one["after"]) for one in found["added"]] == [("python3", ["7"])]
        assert [(one["name"], one["before"], one["bytes_before"]) for one in found["removed"]] == [
            ("git", ["3"], 1 << 21)
        ]
        assert http.get(f"{path}/generations/2/diff?to=1").json()["removed"][0]["name"] == "python3"
        for number in ("3", "1"):
            missing = http.get(f"{path}/generations/{number}/diff?to=3")
            assert missing.status_code == 404
            assert missing.json()["error"]["field"] == "generation"
        assert http.get(f"{path}/generations/0/diff").status_code == 422
        assert http.get(f"{path}/generations/1/diff?to=x").status_code == 422
    shown = run_nixws(["diff", "compared"], environment)
    assert shown.returncode == 0, shown.stderr
    assert "From generation 1 to 2:\n  + python3 7  +2.0 MiB\n  - git 3  -2.0 MiB\n" in shown.stdout
    told = run_nixws(["--json", "diff", "compared", "2", "1"], environment)
    assert json.loads(told.stdout)["added"][0]["name"] == "git"
