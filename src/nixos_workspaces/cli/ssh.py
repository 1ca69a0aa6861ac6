"""``nixws ssh``: OpenSSH into a workspace, with its key and its host key, leaving neither behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
) -> None:
    """Log in, or run a command after `--`; waits for one that is starting, and does not start a stopped one."""
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        if workspace.status in {"creating", "starting"}:
            from nixos_workspaces.cli.wait import settle

            workspace = settle(client, workspace, "running", quiet=False)
        if workspace.ssh_info is None:
            raise Conflict(f"{workspace.name} is {workspace.status}; `nixws start {workspace.name}` boots it.")
        key = client.workspaces.ssh_key(workspace.id)
    words = [word for word in command or [] if word != "--"] if command and command[0] == "--" else command or []
    raise typer.Exit(run_ssh(workspace.ssh_info, key, words))


def run_ssh(where: SshInfo, key: SshKeyAnswer, words: list[str]) -> int:
    """Run OpenSSH and return its exit code; the key lies in a private directory only as long as it runs."""
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


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _private_directory() -> str | None:
    """Return the user's directory in memory where there is one, so that the key never touches a disk."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return runtime if runtime and os.access(runtime, os.W_OK) else None
