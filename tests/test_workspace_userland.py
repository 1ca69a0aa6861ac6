"""The userland inside a real workspace: in one of the smallest template, and in a developer's.

Where it matters a command is run both ways: as `ssh host command`, and typed in a terminal as the browser opens one.
"""

from __future__ import annotations

import asyncio
import base64
import shlex
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from bridge_fixture import Screen
from node_fixture import MIB, SMALL, Node
from real_nix import build, open_environments

from nixos_workspaces.model.machine import Address, MachineSpec
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.terminals.ssh_bridge import Credentials, Exited, SSHBridge


@pytest.fixture
async def workspace(node: Node) -> AsyncIterator[MachineSpec]:
    async with node.running() as spec:
        yield spec


@pytest.fixture(scope="module")
def developers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system with what people develop with."""
    directory = tmp_path_factory.mktemp("developers")

    async def make() -> str:
        environments = await open_environments(directory, "debian")
        try:
            chosen = ("python3", "python3Packages.pip", "python3Packages.setuptools", "python3Packages.wheel", "nodejs")
            return (await build(environments, "ws-developers", *chosen, template="development")).toplevel
        finally:
            await environments.close()

    return asyncio.run(make())


@pytest.fixture
async def developer(node: Node, developers: str) -> AsyncIterator[Address]:
    """A workspace with that system."""
    room = replace(SMALL, memory_bytes=1024 * MIB, storage_bytes=1024 * MIB)
    async with node.running(toplevel=developers, resources=room) as spec:
        found = (await node.runtime.observe(spec.workspace_id)).address
        assert found is not None
        yield found


async def typed(node: Node, workspace_id: str, command: str) -> Screen:
    """Type a command and `exit` in a new terminal of a workspace, as the browser does; return what was shown."""

    async def credentials(_: str) -> Credentials:
        key = await asyncio.to_thread((node.directory / "user").read_text)
        host_key = await asyncio.to_thread((node.directory / "host.pub").read_text)
        return Credentials(key, host_key.strip(), "nixos")

    screen = Screen()
    bridge = SSHBridge(node.runtime.connect, credentials, connect_holder=node.runtime.connect_holder)
    try:
        session = await bridge.create_terminal_session(AuthorisedId(workspace_id), screen)
        await bridge.handle_terminal_input(session.id, f"{command}; exit\n")
        assert isinstance(await screen.until_end(), Exited), screen.controls
    finally:
        await bridge.close()
    return screen


async def both_ways(node: Node, where: Address, command: str) -> str:
    """Run a command over SSH and in a terminal, which must say the same; return that."""
    at_once = await asyncio.to_thread(node.ssh, where, command)
    machine = next(one for one in await node.runtime.list() if one.address == where)
    await typed(node, machine.workspace_id, f"{{ {command.strip()}; }} > ~/.said 2>&1")
    assert (await asyncio.to_thread(node.ssh, where, "cat ~/.said")).splitlines() == at_once.splitlines()
    return at_once


@pytest.fixture
async def address(node: Node, workspace: MachineSpec) -> Address:
    found = (await node.runtime.observe(workspace.workspace_id)).address
    assert found is not None
    return found


async def test_programs_find_the_limits_of_the_workspace(node: Node, developer: Address) -> None:
    """Where they look for the size of the machine: SMALL has one core, the developer's workspace 1 GiB."""
    memory = 1024 * MIB
    assert await both_ways(node, developer, "nproc") == "1"
    assert await both_ways(node, developer, "free --bytes | awk '/^Mem:/ { print $2 }'") == str(memory)
    assert await both_ways(node, developer, "node -p 'os.totalmem()'") == str(memory)
    assert await both_ways(node, developer, "grep -c ^processor /proc/cpuinfo") == "1"
    assert await both_ways(node, developer, "python3 -c 'import os; print(os.cpu_count())'") == "1"
    assert await both_ways(node, developer, "awk '{ print $1 < 600 }' /proc/uptime") == "1"


async def test_the_name_of_the_machine_stands_in_its_file(node: Node, address: Address) -> None:
    assert node.ssh(address, "cat /etc/hostname; hostname") == "demo\ndemo"


FOREIGN = base64.b64encode(Path("/bin/echo").read_bytes()).decode()
"""A program of this machine's own distribution."""


async def test_a_program_of_another_distribution_runs(node: Node, address: Address) -> None:
    """It asks for the dynamic linker and the C library where every other distribution has them."""
    said = node.ssh(address, f"base64 -d <<< {FOREIGN} > foreign; chmod +x foreign; ./foreign runs", check=False)
    assert said == "runs"


async def test_the_journal_keeps_to_its_room(node: Node, workspace: MachineSpec) -> None:
    """The limits stand in a file of their own, which journald reads after its main one."""
    said = node.as_root(workspace, "journalctl --no-pager -u systemd-journald; systemctl --failed --no-legend")
    assert "System Journal (/var/log/journal/" in said
    assert "max 16.0M" in said
    assert "Runtime Journal (/run/log/journal/" not in said or "max 8.0M" in said


async def test_a_command_over_ssh_has_the_environment_of_a_terminal(node: Node, address: Address) -> None:
    names = "PATH EDITOR PAGER LANG TZDIR SSL_CERT_FILE NODE_EXTRA_CA_CERTS NPM_CONFIG_GLOBALCONFIG"
    said = await both_ways(node, address, f'for name in {names}; do echo "$name=${{!name}}"; done')
    assert "PATH=/home/nixos/.local/bin:/run/wrappers/bin:/run/current-system/sw/bin" in said.splitlines()
    assert all(line.split("=", 1)[1] for line in said.splitlines()), said


async def test_time_zones_are_known_everywhere(node: Node, workspace: MachineSpec, address: Address) -> None:
    for zone, winter, summer in (("Europe/Berlin", "13", "14"), ("America/New_York", "07", "08")):
        asked = f"TZ={zone} date -d 2026-01-01T12:00Z +%H; env -u TZDIR TZ={zone} date -d 2026-07-01T12:00Z +%H"
        assert await both_ways(node, address, asked) == f"{winter}\n{summer}"
        unit = f"systemd-run --quiet --wait --pipe --setenv=TZ={zone} date -d 2026-01-01T12:00Z +%H"
        assert node.as_root(workspace, unit) == winter


async def test_usual_names_are_there_in_the_smallest_template(node: Node, address: Address) -> None:
    names = "awk nawk editor pager which lzma clear reset"
    assert (
        await both_ways(node, address, f"for name in {names}; do command -v $name > /tmp/x || echo $name; done") == ""
    )
    assert await both_ways(node, address, "awk 'BEGIN { print 6 * 7 }'") == "42"


async def test_scripts_of_other_distributions_run(node: Node, address: Address) -> None:
    for first in ("/bin/bash", "/bin/sh", "/usr/bin/env bash", "/usr/bin/env -S bash -e"):
        script = shlex.quote(f"#!{first}\necho runs\n")
        assert node.ssh(address, f"printf %s {script} > script; chmod +x script; ./script") == "runs", first


OF_BROWSERS = (
    "libasound.so.2 libatk-1.0.so.0 libatk-bridge-2.0.so.0 libatspi.so.0 libcairo.so.2 libcups.so.2 libdbus-1.so.3 "
    "libdrm.so.2 libfontconfig.so.1 libfreetype.so.6 libgbm.so.1 libgio-2.0.so.0 libnspr4.so libnss3.so libnssutil3.so "
    "libpango-1.0.so.0 libsmime3.so libX11.so.6 libxcb.so.1 libXcomposite.so.1 libXdamage.so.1 libXext.so.6 "
    "libXfixes.so.3 libxkbcommon.so.0 libXrandr.so.2"
)
"""Libraries that Chromium loads as Playwright downloads it."""


async def test_libraries_of_other_distributions_programs_are_found(node: Node, address: Address) -> None:
    """As a downloaded program finds them: by their names, through the dynamic linker in its usual place."""
    names = "libatomic.so.1 libstdc++.so.6 libgomp.so.1 libssl.so.3 libz.so.1 libffi.so.8 libsqlite3.so.0 libcurl.so.4"
    names += f" {OF_BROWSERS}"
    load = "/lib64/ld-linux-x86-64.so.2 --preload $name /run/current-system/sw/bin/true"
    assert node.ssh(address, f"for name in {names}; do {load}; done") == ""


async def test_programs_of_a_language_install_without_set_up(node: Node, developer: Address) -> None:
    """`npm install --global`, `npm link` and `pip install --user`: their programs are found at once, both ways."""
    node.ssh(
        developer,
        """
        set -e
        mkdir -p tool linked py
        for name in tool linked; do
          echo '{"name": "'$name'", "version": "1.0.0", "bin": {"'$name'": "run.js"}}' > $name/package.json
          printf '#!/usr/bin/env node\nconsole.log("%s runs")\n' $name > $name/run.js
        done
        npm install --global --offline ./tool > npm.log 2>&1
        (cd linked && npm link --offline > ../link.log 2>&1)
        printf 'from setuptools import setup\nsetup(name="mine", version="1", py_modules=["mine"],' > py/setup.py
        printf ' entry_points={"console_scripts": ["mine = mine:main"]})\n' >> py/setup.py
        printf 'def main():\n    print("mine runs")\n' > py/mine.py
        pip install --user --no-index --no-build-isolation ./py > pip.log 2>&1
        """,
    )
    assert await both_ways(node, developer, "tool; linked; mine") == "tool runs\nlinked runs\nmine runs"


SOURCES = {
    "zlib": "#include <zlib.h>\nint main(void) { return zlibVersion() == 0; }",
    "openssl": "#include <openssl/ssl.h>\nint main(void) { return SSL_CTX_new(TLS_method()) == 0; }",
    "ncursesw": "#include <curses.h>\nint main(void) { return curses_version() == 0; }",
    "libffi": "#include <ffi.h>\nint main(void) { ffi_cif c; return ffi_prep_cif(&c, 2, 0, &ffi_type_void, 0); }",
    "sqlite3": "#include <sqlite3.h>\nint main(void) { return sqlite3_libversion() == 0; }",
}


async def test_compilers_have_the_usual_headers_and_libraries(node: Node, developer: Address) -> None:
    for name, source in SOURCES.items():
        flags = f"$(pkg-config --cflags --libs {name})"
        build_and_run = (
            f"printf %s {shlex.quote(source)} > {name}.c; cc -Wall -Werror -o {name} {name}.c {flags}; ./{name}"
        )
        assert node.ssh(developer, f"set -e; {build_and_run}; echo {name} $?") == f"{name} 0"


EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "", -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""
EMBEDDING = """
#include <Python.h>
int main(void) { Py_Initialize(); return PyRun_SimpleString("print(6 * 7)") + Py_FinalizeEx(); }
"""


async def test_python_has_what_extensions_and_embedding_need(node: Node, developer: Address) -> None:
    """A wheel with C in a virtual environment, `setup.py build_ext`, and a program around the interpreter."""
    module = 'Extension("native", ["native.c"])'
    setup = f'from setuptools import Extension, setup\nsetup(name="native", version="1", ext_modules=[{module}])'
    node.ssh(
        developer,
        f"""
        set -e
        mkdir native && cd native
        printf %s {shlex.quote(EXTENSION)} > native.c
        printf %s {shlex.quote(setup)} > setup.py
        printf %s {shlex.quote(EMBEDDING)} > embedding.c
        python3 -m venv --system-site-packages ../env
        ../env/bin/pip wheel --no-index --no-build-isolation --wheel-dir dist . > wheel.log 2>&1
        ../env/bin/pip install --no-index dist/native-1-*.whl > install.log 2>&1
        python3 setup.py build_ext --inplace > ext.log 2>&1
        cc -o embedding embedding.c $(python3-config --cflags --ldflags --embed)
        """,
    )
    ask = "'import native; print(native.answer())'"
    assert node.ssh(developer, f"env/bin/python -c {ask}; cd native; python3 -c {ask}; ./embedding") == "42\n42\n42"


RACE = """
#include <pthread.h>
int x;
void *f(void *a) { x++; return a; }
int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); x++; pthread_join(t, 0); return 0; }
"""
WRONG = (
    ("address", "int main(int n, char **v) { char b[4]; b[n + 3] = 1; return b[n]; }", "stack-buffer-overflow"),
    ("undefined", "int main(int n, char **v) { return (2147483647 + n) & 1; }", "signed integer overflow"),
    ("leak", "#include <stdlib.h>\nint main(void) { return malloc(9) == 0; }", "detected memory leaks"),
    ("thread", RACE, "data race"),
)


async def test_sanitizers_run(node: Node, developer: Address) -> None:
    for kind, source, word in WRONG:
        make = f"printf %s {shlex.quote(source)} > wrong.c; cc -g -O0 -fsanitize={kind} -o wrong wrong.c"
        assert word in node.ssh(developer, f"{make} && ./wrong 2>&1; true"), kind


CRASH = "int deep(int *p) { return *p; }\nint main(void) { return deep(0); }"


async def test_debuggers_look_into_ones_own_processes(node: Node, developer: Address) -> None:
    node.ssh(developer, f"printf %s {shlex.quote(CRASH)} > crash.c; cc -g -O0 -o crash crash.c")
    shown = node.ssh(developer, "gdb -batch -nx -ex run -ex backtrace ./crash 2>&1")
    assert "SIGSEGV" in shown
    assert "deep (p=0x0) at crash.c:1" in shown
    traced = "strace -f -e trace=write bash -c 'echo traced' 2>&1"
    assert 'write(1, "traced' in node.ssh(developer, traced)
    assert "sleep" in node.ssh(developer, "sleep 100 > /dev/null 2>&1 & lsof -p $! | head -n 2; kill $!")


async def test_manuals_of_what_is_installed_are_there(node: Node, developer: Address) -> None:
    for page in ("git", "git-rebase", "ls", "2 open", "3 printf", "bash", "curl"):
        assert len((await both_ways(node, developer, f"man {page} | head -n 40")).splitlines()) > 20, page
    assert "GIT-REBASE(1)" in await both_ways(node, developer, "git help rebase | head -n 1")


async def test_terminals_of_today_are_known(node: Node, address: Address) -> None:
    names = ("alacritty", "foot", "wezterm", "xterm-ghostty", "xterm-kitty", "tmux-256color", "screen", "vt100")
    for name in names:
        colours, cleared = node.ssh(address, f"TERM={name} tput colors; TERM={name} tput clear | wc -c").split()
        assert (int(colours) >= 256, int(cleared) > 0) == (name not in {"screen", "vt100"}, True), name


async def test_people_have_units_and_a_bus_of_their_own(node: Node, workspace: MachineSpec, address: Address) -> None:
    """`systemctl --user` with a service that is enabled, transient units, and what is on the session bus."""
    run = "[Service]\\nExecStart=/bin/sh -c 'echo $HOME > %h/ran; exec sleep 1000'"
    unit = f"{run}\\n[Install]\\nWantedBy=default.target\\n"
    names = "--dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"
    said = await both_ways(
        node,
        address,
        f"""
        mkdir -p ~/.config/systemd/user
        printf %b {shlex.quote(unit)} > ~/.config/systemd/user/mine.service
        systemctl --user daemon-reload
        systemctl --user enable --quiet --now mine
        systemctl --user is-active mine default.target
        systemd-run --user --quiet --wait --pipe printenv XDG_RUNTIME_DIR EDITOR
        dbus-send --session --print-reply {names} | grep -c systemd1
        stat -c '%U %a' $XDG_RUNTIME_DIR
        journalctl --user --quiet -n 0
        """,
    )
    assert said.splitlines() == ["active", "active", "/run/user/1000", "nano", "1", "nixos 700"]
    assert node.ssh(address, "cat ran") == "/home/nixos"
    await node.runtime.stop(workspace.workspace_id, 10)
    await node.runtime.start(workspace)
    again = "for i in $(seq 100); do systemctl --user is-active --quiet mine && break; sleep 0.1; done"
    assert node.ssh(address, f"{again}; systemctl --user is-active mine") == "active"
    assert node.as_root(workspace, "systemctl is-system-running --wait") == "running"


async def test_ones_own_keys_open_the_workspace(node: Node, address: Address, tmp_path: Path) -> None:
    """Beside those of the service, which stay in force whatever the file holds."""
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "own")]
    await asyncio.to_thread(subprocess.run, make, check=True)
    own = (tmp_path / "own.pub").read_text().strip()
    node.ssh(address, f"mkdir -m 700 .ssh; echo {shlex.quote(own)} > .ssh/authorized_keys")
    assert node.ssh(address, "echo mine", key=tmp_path / "own") == "mine"
    for broken in ("mkfifo .ssh/authorized_keys", "head -c 30000000 /dev/urandom > .ssh/authorized_keys"):
        assert node.ssh(address, f"rm -f .ssh/authorized_keys; {broken}; echo done") == "done"
        assert node.ssh(address, "echo still") == "still"


async def test_the_language_of_who_connects_is_there(node: Node, address: Address) -> None:
    for language, day in (("de_DE.UTF-8", "Donnerstag"), ("fr_FR.UTF-8", "jeudi"), ("ja_JP.UTF-8", "木曜日")):
        ask = f"LC_ALL={language} date -d 2026-01-01 +%A; LC_ALL={language} bash -c 'echo ok'"
        assert await both_ways(node, address, ask) == f"{day}\nok"
    sent = {"LANG": "de_DE.UTF-8", "LC_TIME": "fr_FR.UTF-8"}
    said = node.ssh(address, "echo $LANG; date -d 2026-01-01 +%A", sent=sent)
    assert said.splitlines() == ["de_DE.UTF-8", "jeudi"]


async def test_what_lies_in_tmp_is_kept_on_the_volume(node: Node, workspace: MachineSpec, address: Address) -> None:
    """It takes no memory, a restart leaves it, and what is old goes by itself."""
    assert node.ssh(address, "stat -f -c %T /tmp; stat -c %a /tmp") == node.ssh(address, "stat -f -c %T /; echo 1777")
    node.ssh(address, "echo kept > /tmp/young; echo old > /tmp/old; touch -d '20 days ago' /tmp/old")
    await node.runtime.stop(workspace.workspace_id, 10)
    await node.runtime.start(workspace)
    assert node.ssh(address, "cat /tmp/young") == "kept"
    rule = node.as_root(workspace, "systemd-tmpfiles --cat-config | grep -w '^[dqD] */tmp'")
    assert rule.split()[-1] == "10d" or "10d" in rule, rule


async def test_additions_to_the_names_of_machines_survive(node: Node, workspace: MachineSpec, address: Address) -> None:
    for _ in range(2):
        node.ssh(address, "echo '10.0.0.7 database' | sudo tee -a /etc/hosts > /dev/null")
        await node.runtime.stop(workspace.workspace_id, 10)
        await node.runtime.start(workspace)
    assert node.ssh(address, "getent hosts database localhost demo | awk '{print $1}' | sort -u").splitlines() == [
        "10.0.0.7",
        "127.0.0.2",
        "::1",
    ]
    assert node.ssh(address, "grep -c 'of the system' /etc/hosts") == "3"


WATCH = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
watcher = libc.inotify_init()
os.makedirs("/dev/shm/many")
for number in range(100_000):
    name = f"/dev/shm/many/{number}"
    open(name, "x").close()
    assert libc.inotify_add_watch(watcher, name.encode(), 2) > 0, os.strerror(ctypes.get_errno())
kept = [os.dup(watcher) for _ in range(15_000)]
print(len(kept))
"""


async def test_many_files_can_be_watched_and_opened(node: Node, developer: Address) -> None:
    """A hundred thousand watches, and fifteen thousand descriptors, without asking for more."""
    assert await both_ways(node, developer, f"python3 -c {shlex.quote(WATCH)}; rm -r /dev/shm/many") == "15000"


TAB = """
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execlp("bash", "-bash", "-i")
os.write(terminal, sys.argv[1].encode() + b"\\t")
said = b""
while sys.argv[2].encode() not in said and select.select([terminal], [], [], 10)[0]:
    said += os.read(terminal, 4096)
print(sys.argv[2].encode() in said)
"""


async def test_tab_completes_commands_of_git(node: Node, developer: Address) -> None:
    asked = f"python3 -c {shlex.quote(TAB)} 'git chec' 'git checkout'"
    assert node.ssh(developer, asked) == "True"
