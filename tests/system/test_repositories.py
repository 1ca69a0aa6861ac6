"""Repositories in a real workspace, which is its own server: over HTTP with a token and over SSH with a key."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system

TOKEN = "token-of-the-host-51f"
SERVER = f"""import base64, functools, http.server
class Asking(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ann:{TOKEN}").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()
handler = functools.partial(Asking, directory="/home/nixos/srv")
http.server.ThreadingHTTPServer(("127.0.0.1", 8418), handler).serve_forever()
"""
SERVE = "systemd-run --user -q --unit gitserver python3 ~/server.py"
MAKE = """set -e; cd; mkdir -p srv seed; cd seed; git init -q -b main
git config user.name a; git config user.email a@b.example
echo one > file; printf '#!/bin/sh\\necho ran > ~/ran; echo value is $KNOWN\\n' > install.sh
chmod +x install.sh
git add .; git commit -qm one; git checkout -q -b other; echo two > file; git commit -qam two; git checkout -q main
git clone -q --bare . ../srv/work.git; cd ../srv/work.git; git update-server-info
"""


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("cloner", packages=["python3"], git={"url": "http://127.0.0.1:8418/work.git"})
    yield made
    for one in service.api("GET", "/secrets")["secrets"]:
        service.api("DELETE", f"/secrets/{one['name']}")
    service.api("PUT", "/profile", json={"dotfiles": None})
    service.delete(made["id"])


def settled(service: Service, workspace: JSON, purpose: str = "work") -> JSON:
    def probe() -> JSON | None:
        found = service.api("GET", f"/workspaces/{workspace['id']}/git")["repositories"]
        one: JSON = next(each for each in found if each["purpose"] == purpose)
        return one if one["state"] in {"done", "failed"} else None

    return until("the repository is settled", probe, 60)


def test_a_clone_waits_for_its_server_and_its_token_and_overwrites_nothing(service: Service, workspace: JSON) -> None:
    assert "git" in workspace["config"]["packages"]
    where = f"/workspaces/{workspace['id']}"
    failed = settled(service, workspace)
    assert failed["state"] == "failed"
    assert "cannot be reached" in failed["message"]
    assert failed["message"] in service.show(workspace["id"])["notice"]
    service.ssh(workspace, MAKE)
    service.ssh(
        workspace, f"cat > ~/server.py <<'END'\n{SERVER}END\nsystemd-run --user -q --unit gitserver python3 ~/server.py"
    )
    until("it listens", lambda: "8418" in service.ssh(workspace, "ss -tln"))

    service.api("POST", f"{where}/git", 202)
    asked = settled(service, workspace)
    assert (asked["state"], "asks for credentials" in asked["message"]) == ("failed", True), asked
    service.nixws("secret", "set", "code", "--git", "127.0.0.1:8418", "--username", "ann", stdin=f"{TOKEN}\n")
    until(
        "the token is there",
        lambda: service.ssh(
            workspace, "test -f '/run/nixws-secrets/current/git/127.0.0.1:8418' && echo yes", check=False
        ),
    )
    assert "~/work is there" in service.nixws("git", "cloner")
    assert service.ssh(workspace, "cat ~/work/file; git -C ~/work remote -v | head -1") == (
        "one\norigin\thttp://127.0.0.1:8418/work.git (fetch)"
    )
    service.ssh(workspace, "echo mine > ~/work/file")
    assert "left as it is" in service.nixws("git", "cloner")
    assert service.ssh(workspace, "cat ~/work/file") == "mine"
    assert "~/again is there" in service.nixws("git", "cloner", "http://127.0.0.1:8418/work.git#other", "-d", "again")
    assert service.ssh(workspace, "cat ~/again/file") == "two"
    service.ssh(workspace, "mkdir ~/taken; echo mine > ~/taken/note")
    service.api("POST", f"{where}/git", 202, json={"url": "http://127.0.0.1:8418/work.git", "directory": "taken"})
    assert "left alone" in settled(service, workspace)["message"]
    assert service.ssh(workspace, "ls -A ~/taken; ls -A ~ | grep -c nixws-clone", check=False) == "note\n0"
    lines = [one["text"] for one in service.api("GET", f"{where}/logs")["lines"]]
    assert any(line.startswith("git: ") for line in lines)
    assert TOKEN not in json.dumps(lines)


def test_a_clone_over_ssh_takes_the_key_that_is_a_secret(service: Service, workspace: JSON, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    where = f"/workspaces/{workspace['id']}"
    public = (tmp_path / "key.pub").read_text().strip()
    service.ssh(workspace, f"mkdir -p -m 700 ~/.ssh; echo '{public}' >> ~/.ssh/authorized_keys")
    service.api("POST", f"{where}/git", 202, json={"url": "nixos@127.0.0.1:srv/work.git", "directory": "by-ssh"})
    assert "refuses the workspace's SSH keys" in settled(service, workspace)["message"]
    key = {"kind": "file", "value": (tmp_path / "key").read_text(), "path": "~/.ssh/id_ed25519", "mode": "0400"}
    service.api("PUT", f"{where}/secrets/deploy", json=key)
    until("the key is there", lambda: service.ssh(workspace, "test -r ~/.ssh/id_ed25519 && echo yes", check=False))
    service.api("POST", f"{where}/git", 202)
    assert settled(service, workspace)["state"] == "done", settled(service, workspace)
    assert service.ssh(workspace, "cat ~/by-ssh/file") == "one"


def test_dotfiles_run_their_script_and_are_no_reason_not_to_start(service: Service, workspace: JSON) -> None:
    where = f"/workspaces/{workspace['id']}"
    service.api("POST", f"{where}/dotfiles", 409)
    service.api("PUT", "/secrets/KNOWN", json={"kind": "environment", "value": "canary-of-dotfiles"})
    until("it is there", lambda: service.ssh(workspace, "echo $KNOWN") == "canary-of-dotfiles")
    service.nixws("dotfiles", "http://127.0.0.1:8418/work.git")
    assert "install.sh has run" in service.nixws("dotfiles", "--apply", "cloner")
    assert service.ssh(workspace, "cat ~/ran; cat ~/.dotfiles/file") == "ran\none"
    log = [one["text"] for one in service.api("GET", f"{where}/logs")["lines"] if one["text"].startswith("dotfiles:")]
    assert "dotfiles: value is •••" in log
    service.ssh(
        workspace,
        "cd ~/seed && printf 'sleep 1000\\n' > install.sh && git commit -qam slow && git push -q ../srv/work.git main"
        " && git -C ../srv/work.git update-server-info",
    )
    service.api("PUT", "/profile", json={"dotfiles": {"url": "http://127.0.0.1:8418/work.git", "script": "none.sh"}})
    service.api("POST", f"{where}/dotfiles", 202)
    assert settled(service, workspace, "dotfiles")["message"] == "There is no file none.sh in the repository."
    other = service.create("dotted")
    try:
        outcome = settled(service, other, "dotfiles")
        assert outcome["state"] == "failed"
        assert service.show(other["id"])["status"] == "running"
        assert service.ssh(other, "git --version").startswith("git version")
    finally:
        service.delete(other["id"])
