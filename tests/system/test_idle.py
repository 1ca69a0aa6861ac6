"""A real workspace rests when nothing works in it, and wakes when somebody means to use it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from system.service import JSON, Service, free_port, running_service
from waiting import until
from websockets.sync.client import connect

SERVE = "systemd-run --user --quiet --unit=web python3 -m http.server 8000"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    settings = {"NIXWS_IDLE_LOOK": "2", "NIXWS_SSH_PORT": str(free_port())}
    with running_service(**settings) as running:
        yield running


def rested(service: Service, made: JSON, status: str, **times: str) -> JSON:
    """Give it times of rest, wait until it rests, and take them away again, so that it stays woken."""

    def becomes(wanted: str) -> None:
        """Ask for the list: asking for one workspace has the service look whether its sshd answers, which is work."""

        def is_so() -> bool:
            found = service.api("GET", "/workspaces")["workspaces"]
            return any(one["id"] == made["id"] and one["status"] == wanted for one in found)

        until(f"it is {wanted}", is_so, 120, 0.2)

    becomes("running")  # one that was just woken may still be listed as paused
    service.api("PUT", f"/workspaces/{made['id']}/idle", json={"warn": "1s", **times})
    becomes(status)
    found = service.show(made["id"])
    service.api("PUT", f"/workspaces/{made['id']}/idle", json={})
    return found


def idle(service: Service, made: JSON) -> JSON:
    found: JSON = service.api("GET", f"/workspaces/{made['id']}/idle")["idle"]
    return found


def test_work_keeps_it_awake_and_intent_wakes_it(service: Service, tmp_path: Path) -> None:
    """From pause by a keystroke and by a page that is opened, not by one that connects again; from stop by SSH."""
    made = service.create("rester", packages=["python3"])
    where = f"/workspaces/{made['id']}"
    service.ssh(made, SERVE)
    service.ssh(made, "systemd-run --user --quiet --unit=job bash -c 'while :; do :; done'")
    service.api("PUT", f"{where}/idle", json={"pause_after": "10s", "warn": "1s"})

    def works() -> bool:
        return any(one["values"].get("unit") == "job.service" for one in idle(service, made)["because"])

    until("its work is seen", works)
    assert idle(service, made)["state"] == "working"
    url = f"ws://127.0.0.1:{service.port}/ws/nixos{where}/terminal"
    headers = {"Authorization": f"Bearer {service.token}"}
    with connect(url, additional_headers=headers, proxy=None) as terminal:
        session = json.loads(terminal.recv())
        service.ssh(made, "systemctl --user stop job.service")
        paused = rested(service, made, "paused", pause_after="10s")
        reason = paused["stop_reason"]
        assert (reason["by"], reason["code"], reason["actor"]) == ("system", "stop.pause_idle", "system:idle")
        with connect(f"{url}?session={session['id']}", additional_headers=headers, proxy=None) as again:
            assert json.loads(again.recv())["type"] == "error"
        assert service.show(made["id"])["status"] == "paused"
        terminal.send(json.dumps({"type": "input", "data": "echo so$((1+1))far\r"}))
        shown = ""
        while "so2far" not in shown:
            shown += json.loads(terminal.recv(30)).get("data", "")
    assert service.show(made["id"])["stop_reason"] is None

    rested(service, made, "paused", pause_after="10s")
    address = service.api("GET", f"{where}/ports/8000")["url"]
    host = address.partition("//")[2].strip("/")
    page = f"http://127.0.0.1:{service.port}/"
    background = {"Host": host, "Sec-Fetch-Mode": "cors", "Accept": "text/html"}
    assert service.http.get(page, headers=background).status_code == 409
    opened = service.http.get(page, headers={"Host": host, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"})
    assert opened.status_code == 200
    assert "Directory listing" in opened.text

    stopped = rested(service, made, "stopped", stop_after="10s")
    assert stopped["stop_reason"]["code"] == "stop.idle"
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    service.api("POST", "/ssh-keys", 201, json={"name": "k", "public_key": key.with_suffix(".pub").read_text().strip()})
    options = ("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(key))
    port = service.settings["NIXWS_SSH_PORT"]
    done = subprocess.run(
        ["ssh", *options, "-o", "BatchMode=yes", "-p", port, "rester@127.0.0.1", "echo awake"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "awake\n", done.stderr
