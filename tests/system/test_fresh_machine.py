"""A new machine: in a minimal Debian with a clone of this tree, one command leads to a workspace."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from free_network import free_network
from fresh_root import FreshRoot, control_groups, fresh_root, interrupt, loop_devices, remove_left_over
from pyroute2.nftables.main import NFTables
from system.service import free_port
from waiting import until

pytestmark = pytest.mark.system
_LINK = re.compile(r"^Sign in, once, within an hour: (\S+)$", re.MULTILINE)
STEPS = ("venv", "apt", "node", "nix", "package set", "python", "ui")


def output_until_link(output: Path, started: "subprocess.Popen[bytes]", seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while not _LINK.search(output.read_text()):
        assert started.poll() is None, output.read_text()[-4000:]
        assert time.monotonic() < deadline, output.read_text()[-4000:]
        time.sleep(0.1)
    return output.read_text()


def traces_of_network(network: str, tags: list[str]) -> list[str]:
    """Return what this machine's routes, addresses and tables of rules say of a range and of the nodes that had it."""
    beginning = re.escape(network.split("/", maxsplit=1)[0].removesuffix(".0.0"))
    words = (("ip", "-4", "route"), ("ip", "-4", "address"))
    told = "".join(subprocess.run(word, check=True, capture_output=True, text=True).stdout for word in words)
    # Asked of the kernel: Debian 12's nft crashes on lists that change meanwhile.
    with NFTables(nfgen_family=0) as tables:
        names = [dict(table["attrs"])["NFTA_TABLE_NAME"] for table in tables.get_tables()]
    rules = [name for name in names if name.replace("_", "-") in tags]
    return re.findall(rf"^.*\b{beginning}\..*$", told, re.MULTILINE) + rules


def use(root: FreshRoot, url: str, link: str) -> None:
    """See a page of the browser UI, make a workspace, run a command in it, delete it."""
    with httpx2.Client(timeout=30, follow_redirects=True) as browser:
        # The page that the link leads to sends its form at once.
        code = link.partition("?code=")[2]
        page = browser.post(f"{url}/login", data={"code": code}, headers={"Accept": "text/html"}).text
        assert '<div id="root">' in page
        script = re.search(r'src="(/assets/[^"]+\.js)"', page)
        assert script is not None
        assert browser.get(f"{url}{script[1]}").status_code == 200
    nixws = ".venv/bin/nixws"
    wanted = ("--cpu", "1", "--memory", "0.5", "--storage", "0.5", "--template", "minimal")
    root.run(nixws, "create", "fresh", *wanted, timeout=300, NIXWS_URL=url)
    said = root.run(nixws, "ssh", "fresh", "--", "hostname; systemctl is-system-running", NIXWS_URL=url)
    assert said.split() == ["fresh", "running"]
    root.run(nixws, "delete", "fresh", "--yes", NIXWS_URL=url)


@pytest.mark.timeout(1200)
def test_one_command_leads_from_a_minimal_debian_to_a_workspace(tmp_path: Path) -> None:
    network, port, output = free_network(16), free_port(), tmp_path / "output"
    with fresh_root("bookworm") as root:
        started = root.start("python3", "dev.py", "run", "--port", str(port), output=output, NIXWS_NETWORK=network)
        try:
            said = output_until_link(output, started, 900)
            link = _LINK.findall(said)[0]
            assert said.rstrip().endswith(link), "the login link is the last line"
            assert [
                step for step in STEPS if not re.search(rf"^dev: {step} done in \d+\.\d s$", said, re.MULTILINE)
            ] == []
            use(root, f"http://127.0.0.1:{port}", link)
            tags = root.node_tags()
            assert traces_of_network(network, tags) != []
            assert control_groups(tags) != []
        finally:
            interrupt(started)
        assert control_groups(tags) == []
        assert loop_devices(root.path) == []
    assert traces_of_network(network, tags) == []


_KILLED_WITHIN = """
import os, fresh_root
with fresh_root.fresh_root("bookworm") as root:
    print(root.path, root.first, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_root_ends_with_the_run_that_made_it_however_that_ends() -> None:
    tests = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_WITHIN],
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        check=False,
    )
    path, first = done.stdout.split()
    until("its processes have ended", lambda: not Path(f"/proc/{first}").exists(), 60)
    assert Path(path).exists()
    remove_left_over()
    assert not Path(path).exists()
