"""Modules that a process loads: a client no server, the command line no more than its verb needs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nixos_workspaces.cli.operate.node import node_argv
from nixos_workspaces.node.__main__ import NIX_DAEMON, config_of
from nixos_workspaces.node.daemon import NodeConfig
from nixos_workspaces.settings import LogFormat, LogLevel, Settings

SERVER = {"aiosqlite", "alembic", "asyncssh", "cryptography", "fastapi", "pyroute2", "sqlalchemy", "uvicorn", "uvloop"}
"""Libraries of the service: a client that loads one of them carries the server about."""
CLIENT = {"httpx2", "pydantic", "websockets"}
"""Libraries of the client: help is printed without them."""
OURS = {"cli", "client", "errors", "model", "schemas", "settings"}
"""Packages of ours that a verb of the client may load."""
MOST_OF_HELP = 5
"""Help takes at most so many times what loading the libraries takes that print it (4.2 on a quiet machine)."""
NODE = {"dns", "idna", "nixos_workspaces", "pyroute2", "typing_extensions"}
"""The node loads little besides the standard library: the only process that runs as root holds its own world."""

TELLS = """
import json, sys
try:
    exec({code!r})
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""

RUNS = """
from nixos_workspaces.cli.main import main
for words in {words!r}:
    try:
        main(words)
    except SystemExit as ended:
        assert ended.code == {unavailable}, f"{{words}} did not get as far as their request"
"""


def loaded(code: str) -> tuple[set[str], set[str]]:
    """Return the top-level modules that a fresh process has loaded after ``code``, and our own packages among them."""
    done = subprocess.run(
        [sys.executable, "-c", TELLS.format(code=code)], capture_output=True, text=True, check=True, timeout=60
    )
    names = json.loads(done.stdout.splitlines()[-1])
    ours = {name.split(".")[1] for name in names if name.startswith("nixos_workspaces.")}
    return {name.partition(".")[0] for name in names}, ours


def test_the_client_loads_no_part_of_the_server() -> None:
    """Nor the calls and wire types of nouns before one is used; all of them are there for who asks."""
    libraries, ours = loaded("import nixos_workspaces.client")
    assert libraries & SERVER == set()
    assert ours == {"client", "errors", "model", "schemas"}
    absent = "assert not {'websockets', 'nixos_workspaces.schemas.workspaces'} & set(sys.modules)"
    code = f"import sys, nixos_workspaces.client as client; {absent}; [getattr(client, one) for one in client.__all__]"
    libraries, ours = loaded(code)
    assert libraries & SERVER == set()
    assert ours == {"client", "errors", "model", "schemas"}


def test_help_loads_neither_server_nor_client() -> None:
    libraries, ours = loaded("from nixos_workspaces.cli.main import main; main(['--help'])")
    assert libraries & (SERVER | CLIENT | {"asyncio"}) == set()
    assert ours - {"cli", "errors", "model", "settings"} == set()


VERBS = (
    *("list", "show NAME", "create NAME", "start NAME", "resize NAME --cpu 1", "rebuild NAME", "delete -y NAME"),
    *(
        "logs NAME",
        "generations NAME",
        "templates",
        "doctor",
        "packages search git",
        "ls NAME:",
        "cp /etc/hostname NAME:",
    ),
    *("cat NAME:file", "rm NAME:file", "edit NAME:file", "ssh NAME", "terminal list NAME", "terminal kill NAME 1"),
    *("sync --once /etc/apt NAME:", "collect-garbage"),
    *("ports NAME", "open NAME 80", "share-port NAME 80"),
)


def test_the_verbs_of_the_client_load_no_part_of_the_server() -> None:
    words = [["--url", "http://127.0.0.1:9", "--token", "none", *verb.split()] for verb in VERBS]
    libraries, ours = loaded(RUNS.format(words=words, unavailable=6))
    assert libraries & SERVER == set()
    assert ours - OURS == set()


def test_the_node_loads_its_own_world_only() -> None:
    libraries, ours = loaded("import nixos_workspaces.node.__main__")
    foreign = {name for name in libraries - set(sys.stdlib_module_names) - NODE if not name.startswith("_")}
    assert foreign == set()
    assert ours - {"errors", "logs", "model", "node", "process"} == set()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import nixos_workspaces.services, nixos_workspaces.web.app", "sqlalchemy.orm"),
        ("import nixos_workspaces.node.__main__, nixos_workspaces.node.egress.names.resolver", "pyroute2.ndb"),
    ],
)
def test_the_half_of_a_library_that_nothing_uses_is_not_loaded(code: str, absent: str) -> None:
    """Each is 6 MB; what asks for it all the same, a tool that migrates, gets it."""
    asked = (
        f"{code}, sys; assert {absent!r} not in sys.modules; import {absent}; print(sys.modules[{absent!r}].__file__)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert absent.replace(".", "/") in done.stdout


def test_the_service_loads_no_second_pydantic() -> None:
    code = "import nixos_workspaces.web.app, sys; assert not [n for n in sys.modules if n.startswith('pydantic.v1.')]"
    assert "fastapi" in loaded(code)[0]


def test_a_migrated_database_opens_without_what_migrates(tmp_path: Path) -> None:
    path = str(tmp_path / "test.db")
    code = f"""
import asyncio
from pathlib import Path
import nixos_workspaces.web.app, nixos_workspaces.web.http.server
from nixos_workspaces.database import open_database
async def work():
    await (await open_database(Path({path!r}))).close()
asyncio.run(work())
"""
    assert "alembic" in loaded(code)[0], "the first opening migrates"
    assert loaded(code)[0] & {"alembic", "mako", "typer", "rich"} == set()


def test_the_verb_node_hands_every_setting_to_the_nodes_own_process() -> None:
    settings = Settings(data=Path("/d"), network="10.9.0.0/24", id_base=7, boot_timeout=1.5, memory_overcommit=3.5)
    settings = replace(settings, lxcfs="/opt/lxcfs", log_level=LogLevel.ERROR, log_format=LogFormat.JSON)
    settings = replace(settings, uplink="netns:out", name_servers="192.0.2.1, 192.0.2.2")
    argv = node_argv(settings, [5, 6])
    environment = {NIX_DAEMON: '["env", "-i", "nix-daemon"]', "LANG": "C"}
    assert argv[1:4] == ["-P", "-m", "nixos_workspaces.node"]
    assert config_of(argv[4:], environment) == NodeConfig(
        data=Path("/d"),
        network="10.9.0.0/24",
        id_base=7,
        boot_timeout=1.5,
        allow_users=(5, 6),
        nix_daemon=("env", "-i", "nix-daemon"),
        memory_overcommit=3.5,
        lxcfs="/opt/lxcfs",
        uplink="netns:out",
        name_servers=("192.0.2.1", "192.0.2.2"),
        log_level="error",
        log_as_json=True,
    )
    assert environment == {"LANG": "C"}


def test_the_verb_node_ends_with_the_words_and_the_code_of_the_nodes_own_process(tmp_path: Path) -> None:
    """The address of a proxy may hold a password: it is in no argument."""
    environment = {**os.environ, "NIXWS_NETWORK": "none", "HTTPS_PROXY": "http://user:secret@proxy"}
    words = [sys.executable, "-m", "nixos_workspaces.cli.main", "--data", str(tmp_path), "node"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (2 if os.geteuid() == 0 else 4)
    assert done.stderr.splitlines()[-1].startswith("nixws: ")
    assert "secret" not in done.stderr


def test_help_takes_little_time() -> None:
    """Processor time beside a peer's in the same run, the least of five: what else the machine does slows both.

    The seconds are in ``benchmarks/bench_api.py``.
    """
    both = [
        (processor_seconds("-m", "nixos_workspaces.cli.main", "--help"), processor_seconds("-c", "import typer, rich"))
        for _ in range(5)
    ]
    assert min(ours for ours, _ in both) <= MOST_OF_HELP * min(peer for _, peer in both)


def processor_seconds(*words: str) -> float:
    with Path(os.devnull).open("wb") as nowhere:
        child = subprocess.Popen([sys.executable, *words], stdout=nowhere)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime
