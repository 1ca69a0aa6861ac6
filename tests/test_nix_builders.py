"""The builders of the package set out of Debian packages: a unit is built right, or not at all."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from debian_set import Nix, find_nix

pytestmark = pytest.mark.machine

INTERPRETER = 3
"""The type of the program header that names the dynamic linker."""


@pytest.fixture(scope="module")
def nix() -> Nix:
    return find_nix()


class Trial:
    """Builds of units under names of their own, so that nothing that was built before answers."""

    def __init__(self, nix: Nix) -> None:
        self._nix = nix
        self._made: list[str] = []

    def build(self, attribute: str, changes: str = "{ }", *options: str) -> subprocess.CompletedProcess[str]:
        """Build an attribute's derivation with some of its environment changed."""
        name = json.dumps(f"{attribute}-tried-{uuid4().hex}")
        code = f"""
          let
            set = (builtins.getFlake {json.dumps(self._nix.reference)}).legacyPackages.x86_64-linux;
            unit = set.{attribute}.drvAttrs;
          in derivation (unit // {{ name = {name}; }} // (with set; {changes}))
        """
        done = self._nix.run("build", "--no-link", "--print-out-paths", "--expr", code, *options)
        self._made += done.stdout.split()
        return done

    def clear(self) -> None:
        """Delete what was built."""
        if self._made:
            self._nix.run("store", "delete", *self._made)


@pytest.fixture
def trial(nix: Nix) -> Iterator[Trial]:
    tried = Trial(nix)
    yield tried
    tried.clear()


def interpreter(path: Path) -> str:
    """Return the dynamic linker that an ELF program names."""
    data = path.read_bytes()
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    for number in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, table + 56 * number)
        if kind == INTERPRETER:
            return data[offset : offset + size].rstrip(b"\0").decode()
    raise AssertionError(f"{path} has no interpreter")


@pytest.mark.parametrize(("attribute", "program"), [("hello", "bin/hello"), ("git", "bin/.git-wrapped")])
def test_a_sandbox_whose_null_device_cannot_be_written_changes_nothing(
    attribute: str, program: str, trial: Trial, tmp_path: Path
) -> None:
    """There `2>/dev/null` is a failure of its own: a builder that takes it for an answer leaves programs unpatched."""
    (tmp_path / "null").touch(0o444)
    done = trial.build(attribute, "{ }", "--option", "extra-sandbox-paths", f"/dev/null={tmp_path}/null")
    assert done.returncode == 0, done.stderr[-2000:]
    assert interpreter(Path(done.stdout.strip()) / program).startswith("/nix/store/")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ('{ patcher = "${gzip}"; }', "ld-linux-x86-64.so.2: not found"),
        ("{ dependencies = [ ]; }", "nothing in its rpath has libc.so.6"),
        ('{ linker = "${gzip}/lib/ld-linux-x86-64.so.2"; }', "its interpreter is /nix/store/"),
        ('{ extraPath = "${gzip}/lib/nosuch"; }', "its rpath names /nix/store/"),
        ('{ extraPath = "/usr/lib"; }', "its rpath leads out of the store: /usr/lib"),
        ('{ links = [ "bin/hullo=nosuch" ]; }', "bin/hullo=nosuch: leads nowhere"),
        ('{ sources = [ "${gzip}/bin/gzip" ]; }', "gzip"),
    ],
)
def test_a_unit_that_cannot_be_made_right_is_not_made(changes: str, message: str, trial: Trial) -> None:
    """Each is a build that once ended well, with programs that run nowhere."""
    done = trial.build("hello", changes, "-L")
    assert done.returncode != 0, f"built: {done.stdout}"
    assert message in done.stderr, done.stderr[-2000:]


def test_a_failure_inside_a_pipeline_ends_a_build(nix: Nix) -> None:
    code = f"""
      let set = (builtins.getFlake {json.dumps(nix.reference)}).legacyPackages.x86_64-linux;
      in set.runCommand "tried-{uuid4().hex}" {{ }} "cat nosuch | sort > $out"
    """
    done = nix.run("build", "--no-link", "--expr", code)
    assert done.returncode != 0
    assert "nosuch" in done.stderr
