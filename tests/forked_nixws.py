"""``nixws`` as a process of its own, forked from one that has loaded the program.

Loading it takes half a second of processor time, which the tests of the command line would pay a hundred times. The
rest is as in a shell, in an empty directory: arguments, environment, standard streams and exit code. ``test_light``
holds what a cold start loads; the tests that need a terminal or a process that lives on start the program itself.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_SERVER = """
import atexit, contextlib, json, os, socket, sys, threading, traceback
import nixos_workspaces.services
from nixos_workspaces.cli.main import main

with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
    with contextlib.suppress(SystemExit):
        main(["--url", "http://127.0.0.1:1", "--token", "x", "list"])  # loads what verbs load late

def forked():
    orders = socket.socket(fileno=int(sys.argv[1]))
    while True:
        order, streams, _, _ = socket.recv_fds(orders, 1 << 20, 3)
        if not order:
            sys.exit()
        child = os.fork()
        if not child:
            break
        for stream in streams:
            os.close(stream)
        orders.send(str(child).encode())
        orders.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    orders.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    given = json.loads(order)
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["directory"])
    return given["words"]

words, code = forked(), 0
try:
    main(words)
except SystemExit as ended:
    code = ended.code or 0
except BaseException:
    traceback.print_exc()
    code = 1
threading._shutdown()
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # taking apart all that was loaded would take as long as loading it
"""
_taking_turns = threading.Lock()


@cache
def empty_directory() -> Path:
    """Return a directory without the ``data`` that a service in this checkout has: ``nixws`` works on it by default."""
    return Path(tempfile.mkdtemp(prefix="empty-"))


@cache
def _server() -> socket.socket:
    """Start the process that is forked; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", _SERVER, str(theirs.fileno())]
        # With nothing of this process's environment but PATH: libraries read it when they are loaded.
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "WORKSPACES_TEST_RUN": os.environ.get("WORKSPACES_TEST_RUN", "")},
            pass_fds=(theirs.fileno(),),
        )

    def end() -> None:
        ours.close()
        started.wait()

    atexit.register(end)
    return ours


def run_nixws(
    words: Sequence[str], environment: Mapping[str, str], stdin: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``nixws`` to its end; raises ``subprocess.TimeoutExpired`` once it was killed for taking too long."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        _taking_turns,
    ):
        given.write(stdin.encode())
        given.seek(0)
        order = {"words": list(words), "environment": dict(environment), "directory": str(empty_directory())}
        server = _server()
        socket.send_fds(server, [json.dumps(order).encode()], [given.fileno(), out.fileno(), err.fileno()])
        child = int(server.recv(32))
        server.settimeout(timeout)
        try:
            code = int(server.recv(32))
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            server.settimeout(None)
            server.recv(32)
            raise subprocess.TimeoutExpired(["nixws", *words], timeout) from None
        server.settimeout(None)
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(["nixws", *words], code, out.read().decode(), err.read().decode())
