"""A network namespace that plays another computer: one link to this machine, an account's home of its own."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from free_network import free_network

_MARK = "nixwsoc"
"""Begins the names of the namespaces and links, so that those of a killed run are found."""


@dataclass(frozen=True)
class OtherComputer:
    """Runs programs over there. It reaches nothing of this machine but ``address``."""

    name: str
    address: str
    """This machine's address on the link."""
    home: Path

    @property
    def config(self) -> Path:
        return self.home / ".ssh" / "config"

    def words(self, *words: str | Path) -> list[str]:
        """Return the words that run a program over there."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIXWS_", "SSH_"))}
        return kept | {"HOME": str(self.home)} | dict(more or {})

    def start(
        self, *words: str | Path, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.words(*words), env=self.environment(env), **options)

    def run(
        self,
        *words: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end."""
        done = subprocess.run(
            self.words(*words),
            env=self.environment(env),
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}: {done.stdout!r} {done.stderr!r}"
        return done


@contextlib.contextmanager
def other_computer(home: Path) -> Iterator[OtherComputer]:
    """Yield one; what an earlier run that was killed has left is removed first."""
    _remove_leftovers()
    name = f"{_MARK}{os.getpid()}"
    here, there = map(str, list(ipaddress.ip_network(free_network(30)).hosts()))
    home.mkdir(parents=True, exist_ok=True)
    try:
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{here}/30", "dev", name)
        _ip("link", "set", name, "up")
        for words in (
            ("addr", "add", f"{there}/30", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *words)
        yield OtherComputer(name, here, home)
    finally:
        _remove(name)


def _remove_leftovers() -> None:
    """Remove what processes have left that are no more."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for name in (line.split()[0] for line in listed.splitlines() if line.startswith(_MARK)):
        if not Path(f"/proc/{name.removeprefix(_MARK)}").exists():
            _remove(name)


def _remove(name: str) -> None:
    for words in (("link", "del", name), ("netns", "del", name)):
        subprocess.run(["ip", *words], check=False, capture_output=True)


def _ip(*words: Sequence[str] | str) -> None:
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)
