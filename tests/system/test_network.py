"""The reach of a real workspace into a fake internet: by the command line, by the API, and in the browser."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_internet import EVIL, METADATA, NEIGHBOUR, WEB, FakeInternet, Sniffer, fake_internet
from playwright.sync_api import expect
from system.browser import Tab
from system.service import JSON, Service, running_service
from waiting import until

from nixos_workspaces.node.egress.addresses import Addresses, addresses_of
from nixos_workspaces.node.home import Home

pytestmark = pytest.mark.system

HELLO = "curl -sS --max-time 5 http://web.example.org/"
ATTACKS = Path(__file__).parent.parent / "egress_attacks.py"
MOST_LIKELY = (
    "curl -sS --max-time 3 http://evil.example.net/",
    f"curl -sS --max-time 3 http://{EVIL}/",
    f"curl -sS --max-time 3 http://{METADATA}/",
    f"curl -sS --max-time 3 http://{NEIGHBOUR}/",
    "curl -sS --max-time 3 http://rebind-metadata.evil.example.net/",
    "curl -sS --max-time 3 http://www.example.org/",
    "curl -sS --max-time 3 -H 'Host: web.example.org' http://www.example.org/",
)


@pytest.fixture(scope="module")
def internet() -> Iterator[FakeInternet]:
    with fake_internet() as running:
        yield running


@dataclass(frozen=True)
class Bounds:
    """The files of an administrator."""

    floor: Path
    balanced: Path

    def set(self, balanced: str = "", **floor: object) -> None:
        """Write both, each in one step; without a floor there is none."""
        texts = {self.floor: json.dumps(floor or {"mode": "open"}), self.balanced: balanced}
        for path, text in texts.items():
            fresh = path.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(path)


@pytest.fixture(scope="module")
def bounds(tmp_path_factory: pytest.TempPathFactory) -> Bounds:
    directory = tmp_path_factory.mktemp("bounds")
    directory.chmod(0o755)  # the service's unprivileged user reads it
    made = Bounds(directory / "floor.json", directory / "balanced.txt")
    made.set()
    return made


@pytest.fixture(scope="module")
def service(internet: FakeInternet, bounds: Bounds) -> Iterator[Service]:
    files = {"NIXWS_EGRESS_FLOOR": str(bounds.floor), "NIXWS_EGRESS_BALANCED": str(bounds.balanced)}
    with running_service(NIXWS_SIGN_IN_ATTEMPTS="1000000", **internet.settings, **files) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(service: Service) -> JSON:
    return service.create("guarded", packages=["curl", "git", "python3", "nodejs"], network="locked", memory=1)


def network(service: Service, *words: str) -> JSON:
    stated: JSON = json.loads(service.nixws("--json", "network", "guarded", *words))["network"]
    return stated


def reaches(service: Service, workspace: JSON, command: str = HELLO) -> bool:
    return service.ssh(workspace, f"{command} >/dev/null 2>&1 && echo reached", check=False).endswith("reached")


def begin_anew(service: Service, workspace: JSON, mode: str = "locked") -> None:
    """Lock it, with nothing allowed or proposed; or give it another mode."""
    where = f"/workspaces/{workspace['id']}/network"
    service.api("PUT", where, json={"mode": mode})
    for proposed in service.api("GET", f"{where}/proposals")["proposals"]:
        if proposed["state"] == "pending":
            service.api("POST", f"{where}/proposals/{proposed['id']}/reject")


def test_locked_try_see_approve_and_the_end_of_the_time(service: Service, workspace: JSON) -> None:
    """A refusal is listed, approved for a time, and a refusal again after that."""
    begin_anew(service, workspace)
    assert network(service)["in_force"]
    assert not reaches(service, workspace)
    until("it is listed", lambda: "web.example.org" in service.nixws("network", "guarded", "denied"))
    service.nixws("network", "guarded", "propose", "web.example.org:80", "--reason", "to say hello")
    assert not reaches(service, workspace)
    assert network(service, "approve", "--for", "1h")["allow"][0]["name"] == "web.example.org"
    assert reaches(service, workspace)
    network(service, "allow", "web.example.org:80", "--for", "4s")
    until("its time has ended", lambda: network(service)["allow"] == [] or None)
    until("it is refused again", lambda: not reaches(service, workspace) or None)


def test_a_change_cuts_what_is_open(service: Service, workspace: JSON) -> None:
    """A download of twenty lines a second stands still from the answer on."""
    begin_anew(service, workspace)
    network(service, "open")
    until("it is reached", lambda: reaches(service, workspace) or None)
    service.ssh(workspace, "curl -sSN --max-time 90 http://web.example.org/slow > slow.out 2> slow.err < /dev/null &")

    def grows() -> bool | None:
        said = service.ssh(workspace, "cat slow.err")
        assert said == ""
        return int(service.ssh(workspace, "stat -c %s slow.out")) > 20 or None

    until("it grows", grows)
    network(service, "none")
    before, _, after = service.ssh(
        workspace, "stat -c %s slow.out; read -t 1 < <(tail -f /dev/null); stat -c %s slow.out"
    ).partition("\n")
    assert before == after
    assert not reaches(service, workspace)


SSH = "GIT_SSH_COMMAND='ssh -i ~/key -o UserKnownHostsFile=~/known'"
PIP = "PIP_CERT=~/ca.pem ~/v/bin/pip install -q --disable-pip-version-check --retries 0"
PYPI = "-i https://pypi.example.org/simple/"
NPM = "NODE_EXTRA_CA_CERTS=~/ca.pem npm install --silent --no-audit --fetch-retries 0"
REGISTRY = "--registry https://npm.example.org/"
WORK = (
    "GIT_SSL_CAINFO=~/ca.pem git clone -q https://git.example.org/demo.git a && cat a/app.py",
    f"{SSH} git clone -q ssh://git@git.example.org/demo.git b && cat b/app.py",
    f"{PIP} {PYPI} --target t fakepkg && PYTHONPATH=t python3 -c 'import fakepkg, fakedep; print(fakedep.NAME)'",
    f"{NPM} {REGISTRY} fake-module && node -e 'console.log(require(\"fake-module\"))'",
)
"""Git over HTTPS and SSH, pip and npm."""
DONE = ["print('hello')", "print('hello')", "fakedep", "fake-module"]


def works(service: Service, workspace: JSON) -> list[str]:
    """Do the work in a new directory; return the last line that each part of it printed."""
    service.ssh(workspace, "rm -rf ~/work && mkdir ~/work")
    said = [service.ssh(workspace, f"cd ~/work && {each}", check=False, timeout=120) for each in WORK]
    return [each.splitlines()[-1] if each else "" for each in said]


def attacked(service: Service, workspace: JSON) -> dict[str, str]:
    """Try all attacks inside as root; returns the outcome of each. A neighbour runs, and the machine listens."""
    addresses = addresses_of(service.network, Home(service.data.resolve()).tag)
    with socket.create_server(("", 0)) as listener:
        ports = f"22,{listener.getsockname()[1]}"
        neighbour = service.show(service.create("neighbour", network="open")["id"])
        words = [EVIL, neighbour["ssh_info"]["host"], addresses.gateway, own_address(), ports, resolver_port(addresses)]
        said = service.ssh(
            workspace, f"sudo python3 -c {shlex.quote(ATTACKS.read_text())} {' '.join(words)}", timeout=120
        )
        service.delete(neighbour["id"])
    outcomes: dict[str, str] = json.loads(said.splitlines()[-1])
    return outcomes


def own_address() -> str:
    """Return an address of this machine that is not loopback's."""
    listed = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    found: list[str] = [
        one["local"] for link in json.loads(listed) for one in link["addr_info"] if link["ifname"] != "lo"
    ]
    return next(one for one in found if not one.startswith("127."))


def resolver_port(addresses: Addresses) -> str:
    """Return the port that a node's resolver has behind port 53."""
    command = ["nft", "list", "chain", "inet", addresses.table, "names"]
    rules = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return rules.partition(f"{addresses.gateway}:")[2].split()[0]


def test_learning_proposes_what_was_used_with_which_the_work_passes_and_no_attack(
    service: Service, workspace: JSON, internet: FakeInternet
) -> None:
    """Git over HTTPS and SSH, pip and npm: the list has them and nothing else, and 69 attacks do not use it."""
    begin_anew(service, workspace)
    for name, text in (("ca.pem", internet.authority), ("key", internet.git_key), ("known", internet.git_host_key)):
        service.ssh(workspace, f"umask 077; printf %s {shlex.quote(text)} > ~/{name}")
    service.ssh(workspace, "python3 -m venv ~/v", timeout=120)
    assert set(works(service, workspace)).isdisjoint(DONE)
    learning = network(service, "learn", "--for", "10m")
    assert learning["effective_mode"] == "observe"
    assert 500 < learning["learning"]["seconds_left"] <= 600
    assert works(service, workspace) == DONE
    told = json.loads(service.nixws("--json", "network", "guarded", "finish"))["proposals"]
    (proposal,) = [one for one in told if one["state"] == "pending"]
    assert [(one["name"], one["cidr"], one["ports"]) for one in proposal["entries"]] == [
        ("git.example.org", None, [22, 443]),
        ("npm.example.org", None, [443]),
        ("pypi.example.org", None, [443]),
    ]
    assert not reaches(service, workspace, "GIT_SSL_CAINFO=~/ca.pem git ls-remote https://git.example.org/demo.git")
    assert network(service, "approve", proposal["id"], "--mode", "locked")["mode"] == "locked"
    assert works(service, workspace) == DONE
    with ExitStack() as undo:
        here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        machine = Sniffer(here, ("lo", "nx", "nu"), leaving=True)
        undo.callback(machine.close)
        os.close(here)
        internet.sniffer.reset()
        outcomes = attacked(service, workspace)
        seen, left = internet.sniffer.seen(), machine.seen()
    assert len(outcomes) >= 69
    assert {name: outcome for name, outcome in outcomes.items() if outcome.startswith("reached")} == {}
    assert seen == {}, outcomes
    strangers = {EVIL, METADATA, NEIGHBOUR, WEB}
    assert {target: count for target, count in left.items() if target[0] in strangers} == {}
    assert [attack for attack in MOST_LIKELY if reaches(service, workspace, attack)] == []
    assert not reaches(service, workspace)
    assert internet.sniffer.bytes_to(EVIL, METADATA, NEIGHBOUR, WEB) == 0


def reached(service: Service, workspace: JSON) -> set[str]:
    """Return the names of the fake internet that answer by HTTP."""
    names = ("web", "www", "git", "pypi")
    fetch = "curl -sS --max-time 5 -o /dev/null http://{0}.example.org/ 2>/dev/null && echo {0}"
    tried = " & ".join(fetch.format(name) for name in names) + " & wait"
    return set(service.ssh(workspace, tried, check=False).split())


def test_balanced_lets_out_the_administrators_list_as_it_is_now(
    service: Service, workspace: JSON, internet: FakeInternet, bounds: Bounds
) -> None:
    """The list is a file that may change; an entry of the workspace's own counts besides, a denial before both."""
    where = f"/workspaces/{workspace['id']}/network"
    bounds.set("web.example.org:80\npypi.example.org:443  # by TLS only\n")
    until("it is told", lambda: len(service.api("GET", "/network")["balanced"]) == 2)
    service.api("PUT", where, json={"mode": "balanced"})
    assert reached(service, workspace) == {"web"}
    assert reaches(service, workspace, "curl -sSk --max-time 5 https://pypi.example.org/simple/")
    internet.sniffer.reset()
    assert [attack for attack in MOST_LIKELY if reaches(service, workspace, attack)] == []
    assert internet.sniffer.bytes_to(EVIL, METADATA, NEIGHBOUR) == 0
    service.api("PUT", where, json={"mode": "balanced", "allow": [{"name": "git.example.org", "ports": [80]}]})
    assert reached(service, workspace) == {"web", "git"}
    bounds.set("pypi.example.org:80\n")
    until("the new list is in force", lambda: reached(service, workspace) == {"git", "pypi"}, 20)
    bounds.set("pypi.example.org:80\n10.0.0.0/8\n")
    until("the wrong line is told", lambda: "line 2" in json.dumps(service.api("GET", "/health")), 20)
    assert reached(service, workspace) == {"git", "pypi"}
    service.api("PUT", where, json={"mode": "balanced", "deny": [{"name": "pypi.example.org"}]})
    assert reached(service, workspace) == set()
    bounds.set()
    until("nothing is wrong", lambda: "line 2" not in json.dumps(service.api("GET", "/health")), 20)


def test_none_lets_nothing_out_not_even_a_question(service: Service, workspace: JSON, internet: FakeInternet) -> None:
    where = f"/workspaces/{workspace['id']}/network"
    service.api("PUT", where, json={"mode": "none", "allow": [{"name": "web.example.org"}, {"cidr": f"{WEB}/32"}]})
    before = len(internet.questions())
    internet.sniffer.reset()
    tried = (HELLO, f"curl -sS --max-time 3 http://{WEB}/", *MOST_LIKELY)
    assert [attack for attack in tried if reaches(service, workspace, attack)] == []
    assert internet.sniffer.seen() == {}
    assert len(internet.questions()) == before


def test_nobody_widens_the_floor_whatever_was_there_before(service: Service, workspace: JSON, bounds: Bounds) -> None:
    """It bounds what runs within seconds, and changes, proposals, learning and creation, with its reason."""
    where = f"/workspaces/{workspace['id']}/network"
    service.api("PUT", where, json={"mode": "open"})
    assert reached(service, workspace) == {"web", "www", "git", "pypi"}
    granted = [{"name": "*.example.org", "ports": [80]}]
    bounds.set(mode="locked", allow=granted, deny=[{"name": "www.example.org"}], reason="Rule 7.")
    until("the floor is in force", lambda: reached(service, workspace) == {"web", "git", "pypi"}, 20)
    told = network(service)
    assert (told["mode"], told["effective_mode"], told["floor"]["reason"]) == ("open", "locked", "Rule 7.")
    cases: tuple[tuple[JSON, str], ...] = (
        ({"mode": "balanced"}, "/mode"),
        ({"mode": "locked", "allow": [{"name": "web.example.org"}]}, "/allow/0"),
        ({"mode": "locked", "allow": [{"name": "web.example.org", "ports": [80]}, {"cidr": EVIL}]}, "/allow/1"),
    )
    for wanted, field in cases:
        error = service.api("PUT", where, 403, json=wanted)["error"]
        assert (error["code"], error["field"], "Rule 7." in error["message"]) == ("beyond_floor", field, True)
    sizes = {"cpu": 1, "memory": 0.5, "storage": 0.5, "template": "minimal", "name": "wider"}
    cases = (({"network": "open"}, "network"), ({"allow": [{"name": "a.example"}]}, "/allow/0"))
    for wanted, field in cases:
        error = service.api("POST", "/workspaces/create", 403, json=sizes | wanted)["error"]
        assert (error["code"], error["field"]) == ("beyond_floor", field)
    assert service.api("POST", f"{where}/learn", 403, json={})["error"]["code"] == "beyond_floor"
    proposed = service.api("POST", f"{where}/proposals", 201, json={"entries": [{"name": "evil.example.net"}]})
    approved = f"{where}/proposals/{proposed['proposal']['id']}/approve"
    assert service.api("POST", approved, 403, json={})["error"]["code"] == "beyond_floor"
    service.api("PUT", where, json={"mode": "locked", "allow": [{"name": "web.example.org", "ports": [80]}]})
    assert reached(service, workspace) == {"web"}
    service.nixws(
        "create",
        "narrow",
        "--network",
        "locked",
        "--allow",
        "git.example.org:80",
        "-t",
        "minimal",
        "-p",
        "curl",
        "--memory",
        "0.5",
        "--storage",
        "0.5",
        "--cpu",
        "1",
    )
    narrow = service.show("narrow")
    assert reached(service, narrow) == {"git"}
    bounds.set(mode="none", reason="Nobody for now.")
    until("nothing is let out", lambda: reached(service, narrow) == reached(service, workspace) == set(), 20)
    bounds.floor.write_text("{")
    until("the wrong floor is told", lambda: "egress_floor" in json.dumps(service.api("GET", "/health")), 20)
    assert reached(service, narrow) == set()
    bounds.set()
    until("the floor is gone", lambda: reached(service, narrow) == {"git"}, 20)
    service.delete(narrow["id"])


def test_the_policy_is_in_force_after_service_and_node_were_away(service: Service, workspace: JSON) -> None:
    begin_anew(service, workspace)
    with service.away():
        pass
    until("it is in force", lambda: network(service)["in_force"] or None)
    assert not reaches(service, workspace)
    network(service, "allow", "web.example.org")
    assert reaches(service, workspace)
    service.api("POST", f"/workspaces/{workspace['id']}/restart", 202)
    back = service.reaches(workspace["id"], "running", 120)
    until("it reaches what is allowed", lambda: reaches(service, back) or None)
    assert not reaches(service, back, MOST_LIKELY[0])


def test_the_network_in_the_browser(ui: Tab, service: Service, workspace: JSON) -> None:
    """By hand: lock it, see what is refused, allow it by a click, learn, and approve what was learned."""
    begin_anew(service, workspace, "open")
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}")
    page.get_by_role("navigation").get_by_role("link", name="Network").click()
    expect(page.get_by_role("radio", name="Open")).to_be_checked()
    page.get_by_role("radio", name="Locked").check()
    until("it is locked", lambda: network(service)["mode"] == "locked" or None)
    here = service.show(workspace["id"])
    assert not reaches(service, here)
    refused = page.get_by_role("region", name="What was refused")
    refused.get_by_role("button", name="Allow web.example.org for 1 h").first.click()
    expect(page.get_by_role("button", name="Remove web.example.org")).to_be_visible()
    until("it is reached", lambda: reaches(service, here) or None)
    page.get_by_role("button", name="Remove web.example.org").click()
    expect(page.get_by_role("button", name="Remove web.example.org")).to_have_count(0)
    page.get_by_role("button", name="For 10 minutes").click()
    expect(page.get_by_role("timer")).to_contain_text("everything is let out")
    until("it is reached", lambda: reaches(service, here) or None)
    page.get_by_role("button", name="Propose the list now").click()
    proposals = page.get_by_role("region", name="Proposals")
    expect(proposals.get_by_text("web.example.org 80")).to_be_visible()
    assert not reaches(service, here)
    proposals.get_by_role("button", name="Allow for good").click()
    expect(proposals).to_have_count(0)
    until("it is reached", lambda: reaches(service, here) or None)
    assert ui.violations() == []
