"""``nixws ssh`` over a real sshd: commands, exit codes, the pinned host key, nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd_fixture import LocalSshd, local_sshd

from nixos_workspaces.cli.ssh import run_ssh
from nixos_workspaces.schemas.workspaces import SshInfo, SshKeyAnswer


@pytest.fixture(scope="module")
def sshd() -> Iterator[LocalSshd]:
    with local_sshd() as server:
        yield server


def access(sshd: LocalSshd, host_key: str = "") -> tuple[SshInfo, SshKeyAnswer]:
    own = sshd.known_hosts.read_text().partition(" ")[2]
    where = SshInfo(host="127.0.0.1", port=sshd.port, username=sshd.user)
    return where, SshKeyAnswer(private_key=sshd.key.read_text(), username=sshd.user, host_key=host_key or own)


def test_the_exit_code_and_the_output_are_the_commands(
    sshd: LocalSshd, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert run_ssh(*access(sshd), ["echo", "said; exit 7"]) == 7
    assert capfd.readouterr().out == "said\n"
    assert list(tmp_path.iterdir()) == []


def test_a_machine_with_another_host_key_is_refused(sshd: LocalSshd, capfd: pytest.CaptureFixture[str]) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHpuE1bdTeuGmvGL5cqEkSUWMKAV7uHyvXwbHFLvJSr"
    assert run_ssh(*access(sshd, other), ["echo", "reached"]) == 255
    assert "reached" not in capfd.readouterr().out
