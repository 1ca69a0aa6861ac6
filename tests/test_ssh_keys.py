"""Public keys that are taken and refused, in the browser's words too; what a channel's requests become."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from asyncssh.packet import Boolean, SSHPacket, String, UInt32
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.gateway.relay import filtered_request, is_of_workspace
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.access.public_keys import read_public_key


def made(directory: Path, *options: str) -> str:
    """Return the public line of a new key."""
    key = directory / "key"
    key.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "a comment", *options, "-f", key], check=True)
    return key.with_suffix(".pub").read_text()


@pytest.mark.parametrize("options", [["-t", "ed25519"], ["-t", "ecdsa", "-b", "521"], ["-t", "rsa", "-b", "2048"]])
def test_sound_keys_are_taken_and_named_as_ssh_keygen_does(tmp_path: Path, options: list[str]) -> None:
    line = made(tmp_path, *options)
    key = read_public_key(line)
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    assert key.fingerprint == shown.stdout.split()[1]
    assert key.comment == "a comment"
    assert line.startswith(key.line)


def test_everything_else_is_refused_with_its_field(tmp_path: Path) -> None:
    line = made(tmp_path, "-t", "ed25519").strip()
    small = made(tmp_path, "-t", "rsa", "-b", "1024")
    kind, blob, *_ = line.split()
    cut = base64.b64encode(base64.b64decode(blob)[:-5]).decode()
    wrong = [
        "", "ssh-ed25519", f"ssh-rsa {blob}", f"{kind} {cut}", f"{kind} {blob[:-4]}!!!!", f'command="id" {line}',
        f"{line}\n{line}", f"{line}\0", small, "-----BEGIN OPENSSH PRIVATE KEY-----", f"{line}{'x' * 5000}",
    ]  # fmt: skip
    for text in wrong:
        with pytest.raises(InvalidInput) as refused:
            read_public_key(text)
        assert (refused.value.code, refused.value.field) == ("invalid_public_key", "public_key"), text


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    try:
        read_public_key(text)
    except InvalidInput:
        return
    pytest.fail("no random text is a key")


def test_a_certificate_is_kept_until_its_names_change(tmp_path: Path) -> None:
    keys = open_keys(tmp_path)
    keys.ensure("ws-12345")
    authorities = Authorities(keys)
    first = authorities.workspace_certificate("ws-12345", "demo")
    assert Authorities(keys).workspace_certificate("ws-12345", "demo") == first
    assert authorities.workspace_certificate("ws-12345", "other") != first
    file = tmp_path / "host-cert.pub"
    file.write_text(first)
    shown = subprocess.run(["ssh-keygen", "-Lf", file], check=True, capture_output=True, text=True).stdout
    assert "host certificate" in shown
    assert {"demo.nixws", "ws-12345.nixws"} <= set(shown.split())


def test_requests_of_channels_pass_only_if_they_are_listed() -> None:
    for name, rest, passes in [
        (b"exec", String(b"id"), True),
        (b"subsystem", String(b"sftp"), True),
        (b"subsystem", String(b"netconf"), False),
        (b"x11-req", b"", False),
    ]:
        request = String(name) + Boolean(value=True) + rest
        assert (filtered_request(request) == request) is passes
    replaced = SSHPacket(filtered_request(String(b"x11-req") + Boolean(value=True) + b"rest"))
    assert replaced.get_string() == b"refused@nixws"
    assert replaced.get_boolean()
    replaced.check_end()


def test_only_the_workspaces_own_addresses_are_reached() -> None:
    for host, is_own in [
        (b"localhost", True),
        (b"127.9.9.9", True),
        (b"::1", True),
        (b"10.0.0.1", False),
        (b"a.b", False),
    ]:
        assert is_of_workspace(String(host) + UInt32(80)) is is_own, host
