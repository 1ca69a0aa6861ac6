"""``nixws ssh``: OpenSSH into a workspace, with its key and its host key, leaving neither behind."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from nixos_workspaces.cli.connect.access import DEFAULT_LABEL, Access, access_of, access_text, tunnel_options
from nixos_workspaces.cli.target import target_of
from nixos_workspaces.errors import Conflict, WorkspacesError

if TYPE_CHECKING:
    from nixos_workspaces.schemas.workspaces import SshInfo, SshKeyAnswer


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(ssh)


def ssh(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)],
    command: Annotated[list[str] | None, typer.Argument(help="After --: what to run instead of a shell.")] = None,
    *,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Be the ProxyCommand of another ssh: pass bytes to the workspace's sshd.")
    ] = False,
    access: Annotated[Path | None, typer.Option(help="File of `nixws config-ssh`; with --stdio.")] = None,
    fdpass: Annotated[
        bool, typer.Option("--fdpass", help="With --stdio: hand an ssh with ProxyUseFdpass the connection itself.")
    ] = False,
) -> None:
    """Log in, or run a command after `--`; waits for one that is starting, and does not start a stopped one."""
    if stdio:
        from nixos_workspaces.cli.connect.stdio import pass_bytes

        pass_bytes(target_of(context), name, access, hands_over=fdpass)
        return
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        if workspace.status in {"creating", "starting"}:
            from nixos_workspaces.cli.wait import settle

            workspace = settle(client, workspace, "running", quiet=False)
        if workspace.ssh_info is None:
            raise Conflict(f"{workspace.name} is {workspace.status}; `nixws start {workspace.name}` boots it.")
        key = client.workspaces.ssh_key(workspace.id)
        is_here = is_of_this_machine(client.url)
    way = None if is_here else access_of(target_of(context), DEFAULT_LABEL)
    words = [word for word in command or [] if word != "--"] if command and command[0] == "--" else command or []
    raise typer.Exit(run_ssh(workspace.ssh_info, key, words, way, workspace.id))


def is_of_this_machine(url: str) -> bool:
    """Tell whether a service is reached by a loopback address: addresses of workspaces lead there only."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def run_ssh(where: SshInfo, key: SshKeyAnswer, words: list[str], way: Access | None = None, name: str = "") -> int:
    """Run OpenSSH and return its exit code, through a tunnel of the service where there is a ``way``.

    Key and token lie in a private directory only as long as it runs.
    """
    with tempfile.TemporaryDirectory(prefix="nixws-", dir=_private_directory()) as directory:
        key_file = Path(directory) / "key"
        known = Path(directory) / "known_hosts"
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key.private_key if key.private_key.endswith("\n") else f"{key.private_key}\n")
        known.write_text(f"workspace {key.host_key.strip()}\n")
        argv = [
            "ssh", "-F", "none", "-i", str(key_file), "-p", str(where.port),
            "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "HostKeyAlias=workspace",
            "-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR",
            *([] if way is None else _through(way, Path(directory) / "access.json", name)),
            f"{where.username}@{where.host}", "--", *words,
        ]  # fmt: skip
        # Ctrl-C belongs to the program inside; ssh passes it on.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            done = subprocess.run(argv, check=False, preexec_fn=_default_interrupt)
        except OSError as missing:
            raise WorkspacesError(f"OpenSSH's ssh cannot be run: {missing.strerror}.") from missing
        finally:
            signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _through(way: Access, file: Path, workspace: str) -> list[str]:
    """Return the options that lead through a tunnel, and write down for them how the service is reached."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(access_text(way))
    return [word for option in tunnel_options(way, file, workspace) for word in ("-o", option)]


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _private_directory() -> str | None:
    """Return the user's directory in memory where there is one, so that the key never touches a disk."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return runtime if runtime and os.access(runtime, os.W_OK) else None
