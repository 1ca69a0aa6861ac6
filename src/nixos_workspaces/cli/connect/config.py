"""``nixws config-ssh``: let ssh, scp, rsync, sftp and editors on this computer reach every workspace by its name.

Everything lies in ``~/.ssh/nixws``, in files of one installation each; ``~/.ssh/config`` gets one ``Include``, between
two marks. Doing it again changes nothing that is right already.
"""

from __future__ import annotations

import getpass
import os
import pwd
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from nixos_workspaces.cli.connect.access import (
    DEFAULT_LABEL,
    SUFFIX,
    Access,
    access_of,
    access_text,
    read_access,
    tunnel_options,
)
from nixos_workspaces.cli.target import emit, err, out, target_of
from nixos_workspaces.errors import InvalidInput, NotFound, WorkspacesError
from nixos_workspaces.model.names import is_hostname

_BEGIN = "# nixws: begin (`nixws config-ssh --remove` takes this out again)"
_END = "# nixws: end"
_GATEWAY = "_gateway"
"""The first part of the SSH gateway's host name, which is no name of a workspace."""
_UNFIT = frozenset('"\n\r\0$')
"""Characters of a path that no line of ssh's configuration can hold as themselves."""


def config_ssh(
    context: typer.Context,
    *,
    label: Annotated[
        str, typer.Option(help="A name for this service if it is not the only one: hosts are then NAME.LABEL.nixws.")
    ] = DEFAULT_LABEL,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take everything out again, and the key off the service.")
    ] = False,
) -> None:
    """Set up `ssh NAME.nixws`, scp, rsync, sftp and editors for all workspaces, on this computer."""
    if not is_hostname(label):
        raise InvalidInput("A label has lower-case letters, digits and hyphens, as a host name has.", field="label")
    files = _Files(_ssh_directory(), label)
    if remove:
        _remove(files)
        err().print(f"{files.directory}: nothing of this service is left; {files.config} is as it was before.")
        return
    access = access_of(target_of(context), label)
    with access.client() as client:
        files.make_key()
        key = client.ssh_keys.add(
            files.public.read_text(), f"config-ssh {getpass.getuser()}@{socket.gethostname()}"[:64]
        )
        known = client.ssh_keys.list()
        gateway = None if known.gateway_port is None else (urlsplit(client.url).hostname or "", known.gateway_port)
    access = replace(access, key_id=key.id)
    _put(files.access, access_text(access))
    _put(files.known_hosts, f"@cert-authority *.{SUFFIX} {known.host_authority}\n")
    _put(files.fragment, _configuration(files, access) + _gateway_configuration(files, access, gateway))
    _include(files)
    if target_of(context).as_json:
        emit({"host": f"NAME{access.suffix}", "file": str(files.fragment), "key": key.id})
    else:
        out().print(f"ssh NAME{access.suffix} works from now on, and so do scp, rsync, sftp and editors.")


class _Files:
    """The files of one installation."""

    def __init__(self, ssh: Path, label: str) -> None:
        self.directory = ssh / "nixws"
        self.config = ssh / "config"
        self.access = self.directory / f"{label}.json"
        self.fragment = self.directory / f"{label}.conf"
        self.known_hosts = self.directory / f"{label}.known_hosts"
        self.key = self.directory / f"{label}.key"
        self.public = self.directory / f"{label}.key.pub"
        # ssh takes a relative path from the account's home, whatever HOME says.
        is_account_home = ssh.parent == Path(pwd.getpwuid(os.geteuid()).pw_dir)
        # What a pattern or a token would begin with is matched by a question mark: versions of ssh differ there.
        plain = "".join("?" if letter in "%[]*?\\" else letter for letter in str(self.directory))
        fragments = "nixws/*.conf" if is_account_home else f'"{plain}/*.conf"'
        self.include = f"{_BEGIN}\nInclude {fragments}\n{_END}\n"

    def make_key(self) -> None:
        """Make the key pair of this computer if it is not there, whole."""
        for directory in (self.directory.parent, self.directory):
            directory.mkdir(mode=0o700, exist_ok=True)
        if self.key.exists() and self.public.exists():
            return
        for path in (self.key, self.public):
            path.unlink(missing_ok=True)
        comment = f"nixws {getpass.getuser()}@{socket.gethostname()}"
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(self.key)]
        done = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise WorkspacesError(f"ssh-keygen could not make a key: {done.stderr.strip()}")


def _ssh_directory() -> Path:
    """Return ``~/.ssh``; ``InvalidInput`` for a home that ssh's configuration cannot name."""
    directory = Path.home() / ".ssh"
    if _UNFIT & set(str(directory)):
        raise InvalidInput(
            f"ssh cannot name files below {directory}: its path has a quote or a dollar.", code="local_file"
        )
    return directory


def _configuration(files: _Files, access: Access) -> str:
    """Return ssh's configuration for the workspaces of one installation."""
    hosts, alias = f"*.{SUFFIX} !*.*.{SUFFIX} !{_GATEWAY}{access.suffix}", ""
    if access.label != DEFAULT_LABEL:
        # A service does not know the label: its certificates name NAME.nixws, and this for clients with one.
        hosts, alias = f"*{access.suffix} !{_GATEWAY}{access.suffix}", f"\n    HostKeyAlias _workspace.{SUFFIX}"
    options = "\n    ".join(" ".join(one.split("=", 1)) for one in tunnel_options(access, files.access, "%n"))
    return f"""\
# Written by `nixws config-ssh`, which replaces it when it runs again.
Host {hosts}
    User nixos
    {options}
    IdentityFile {_quoted(files.key)}
    IdentitiesOnly yes
    UserKnownHostsFile {_quoted(files.known_hosts)}
    StrictHostKeyChecking yes{alias}
    UpdateHostKeys no
    ServerAliveInterval 30
"""


def _gateway_configuration(files: _Files, access: Access, gateway: tuple[str, int] | None) -> str:
    """Return ssh's configuration for the SSH gateway, where there is one: the user is the workspace's name."""
    if gateway is None:
        return ""
    host, port = gateway
    return f"""\
# The service's SSH gateway, which needs no nixws: ssh NAME@{_GATEWAY}{access.suffix}
Host {_GATEWAY}{access.suffix}
    HostName {host}
    Port {port}
    HostKeyAlias {_GATEWAY}.{SUFFIX}
    IdentityFile {_quoted(files.key)}
    IdentitiesOnly yes
    UserKnownHostsFile {_quoted(files.known_hosts)}
    StrictHostKeyChecking yes
    UpdateHostKeys no
    ServerAliveInterval 30
"""


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


def _include(files: _Files) -> None:
    """Put the ``Include`` at the top, where no ``Host`` of before narrows it; the rest stays as it is."""
    before = _read(files.config)
    if files.include not in before:
        _put(files.config, f"{files.include}\n{before}" if before else files.include)


def _remove(files: _Files) -> None:
    """Take the key off the service if it answers, and the files away in any case."""
    with suppress(OSError):
        try:
            access = read_access(files.access)
            with access.client() as client, suppress(NotFound):
                client.ssh_keys.remove(access.key_id)
        except FileNotFoundError:
            pass
        except WorkspacesError as failed:
            err().print(
                f"The key stays registered: {failed.message} Remove it with `nixws ssh-key remove`.", markup=False
            )
    for path in (files.fragment, files.access, files.known_hosts, files.key, files.public):
        path.unlink(missing_ok=True)
    if not [*files.directory.glob("*.conf")]:
        before = _read(files.config)
        if files.include in before:
            after = before.replace(f"{files.include}\n", "").replace(files.include, "")
            if after:
                _put(files.config, after)
            else:
                files.config.unlink()
        with suppress(OSError):
            files.directory.rmdir()


def _read(path: Path) -> str:
    """Return a file's text, whatever its bytes are; empty where there is none."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def _put(path: Path, text: str) -> None:
    """Put a file in place whole or not at all; a link is followed, the mode kept, a new one is its owner's alone."""
    real = path.resolve()
    content = text.encode("utf-8", "surrogateescape")
    with suppress(FileNotFoundError):
        if real.read_bytes() == content:
            return
    mode = 0o600
    with suppress(FileNotFoundError):
        mode = real.stat().st_mode & 0o7777
    fresh = real.with_name(f".{real.name}.nixws-new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(real)
