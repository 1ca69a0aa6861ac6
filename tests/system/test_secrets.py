"""Secrets in a real workspace: where they are, where they are not, and how they come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("secretive", packages=["git"], canaries=False)
    yield made
    for one in service.api("GET", "/secrets")["secrets"]:
        service.api("DELETE", f"/secrets/{one['name']}")
    service.delete(made["id"])


def put(service: Service, name: str, where: str = "", **wanted: str) -> JSON:
    return service.api("PUT", f"{where}/secrets/{name}", json=wanted)


def told(service: Service, workspace: JSON, command: str, answer: str, seconds: float = 20) -> None:
    until(f"{command!r} says {answer!r}", lambda: service.ssh(workspace, command, check=False) == answer, seconds)


def test_a_variable_is_in_shells_and_services_without_a_restart(service: Service, workspace: JSON) -> None:
    value = 'it\'s "quoted" $HOME `id` \\ and\nlong'
    put(service, "DEPLOY_TOKEN", kind="environment", value=value)
    shown = 'printf %s "$DEPLOY_TOKEN"'
    told(service, workspace, shown, value)
    assert service.ssh(workspace, f"bash -lc '{shown}'") == value
    ours = "systemd-run --user --wait --pipe -q printenv DEPLOY_TOKEN"
    told(service, workspace, ours, value)
    system = "sudo systemd-run --wait --pipe -q -p EnvironmentFile=/run/nixws-secrets/current/environment printenv"
    assert service.ssh(workspace, f"{system} DEPLOY_TOKEN") == value
    service.api("DELETE", "/secrets/DEPLOY_TOKEN")
    told(service, workspace, shown, "")
    told(service, workspace, f"{ours} || echo none", "none")


def test_a_file_is_in_memory_with_its_mode_and_goes_when_deleted(service: Service, workspace: JSON) -> None:
    where = f"/workspaces/{workspace['id']}"
    answer = put(service, "npm", where, kind="file", value="//registry/:_authToken=abc\n", path="~/.config/deep/npmrc")
    assert "value" not in answer
    assert (answer["path"], answer["mode"], answer["length"]) == ("~/.config/deep/npmrc", "0400", "short")
    told(service, workspace, "cat ~/.config/deep/npmrc", "//registry/:_authToken=abc")
    assert service.ssh(workspace, "stat -L -c '%a %U' ~/.config/deep/npmrc") == "400 nixos"
    assert service.ssh(workspace, "stat -f -c %T -L ~/.config/deep/npmrc") == "tmpfs"
    assert service.ssh(workspace, "ls /run/secrets; stat -c '%a %U' /run/nixws-secrets") == "700 nixos"
    put(service, "npm", where, kind="file", value="new", path="~/.config/deep/npmrc", mode="0600")
    told(service, workspace, "cat ~/.config/deep/npmrc; stat -L -c %a ~/.config/deep/npmrc", "new600")
    put(service, "npm", where, kind="file", value="moved")
    told(service, workspace, "cat /run/secrets/npm; ls ~/.config/deep", "moved")
    service.api("DELETE", f"{where}/secrets/npm")
    told(
        service,
        workspace,
        "ls /run/secrets /run/nixws-secrets/current/files",
        "/run/nixws-secrets/current/files:\n\n/run/secrets:",
    )


def test_a_file_of_the_user_is_left_alone(service: Service, workspace: JSON) -> None:
    where = f"/workspaces/{workspace['id']}"
    service.ssh(workspace, "echo mine > ~/.netrc")
    put(service, "netrc", where, kind="file", value="theirs", path="~/.netrc")

    def problem() -> bool:
        delivery = service.api("GET", f"{where}/secrets")["delivery"]
        return delivery is not None and "~/.netrc" in delivery["problem"]

    until("the conflict is told", problem, 20)
    assert service.ssh(workspace, "cat ~/.netrc") == "mine"
    service.api("DELETE", f"{where}/secrets/netrc")
    until("it is solved", lambda: service.api("GET", f"{where}/secrets")["delivery"]["problem"] == "", 20)
    assert service.ssh(workspace, "cat ~/.netrc; rm ~/.netrc") == "mine"


def test_a_workspaces_own_wins_and_a_change_is_there_at_once(service: Service, workspace: JSON) -> None:
    where = f"/workspaces/{workspace['id']}"
    put(service, "WHO", kind="environment", value="person")
    told(service, workspace, "echo $WHO", "person")
    put(service, "WHO", where, kind="environment", value="workspace")
    told(service, workspace, "echo $WHO", "workspace")
    service.api("DELETE", f"{where}/secrets/WHO")
    told(service, workspace, "echo $WHO", "person")


def test_secrets_are_there_as_soon_as_it_runs_and_after_every_kill(service: Service, workspace: JSON) -> None:
    put(service, "KEPT", kind="environment", value="kept")
    put(service, "kept_file", kind="file", value="content", path="~/.kept")
    told(service, workspace, "echo $KEPT; cat ~/.kept", "kept\ncontent")
    service.api("POST", f"/workspaces/{workspace['id']}/restart", 202)
    until("it is down", lambda: service.show(workspace["id"])["status"] != "running")
    again = service.reaches(workspace["id"], "running", 60)
    assert service.ssh(again, "echo $KEPT; cat ~/.kept") == "kept\ncontent"
    for verb in ("serve", "node"):
        os.kill(service.pid_of(verb), signal.SIGKILL)
        until("the service is back", service.answers, 60)
        until("the child is back", partial(_pid, service, verb), 60)
        put(service, "KEPT", kind="environment", value=f"after {verb}")
        told(service, again, "echo $KEPT; cat ~/.kept", f"after {verb}\ncontent")


def _pid(service: Service, verb: str) -> int | None:
    try:
        return service.pid_of(verb)
    except (AssertionError, OSError):
        return None


def test_git_is_given_the_token_of_its_host_and_of_no_other(service: Service, workspace: JSON) -> None:
    put(service, "code", kind="git", value="glpat-token", host="Code.Example", username="ann")
    ask = "printf 'protocol=%s\\nhost=%s\\n\\n' {} | GIT_TERMINAL_PROMPT=0 git credential fill 2>&1 | grep -c token"
    told(service, workspace, ask.format("https code.example"), "1")
    for refused in ("https other.example", "http code.example", "https code.example:444", "https ../files"):
        assert service.ssh(workspace, ask.format(refused), check=False) == "0", refused
    service.api("DELETE", "/secrets/code")
    told(service, workspace, ask.format("https code.example"), "0")
