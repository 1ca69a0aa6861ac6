"""Read and download Debian packages of any suite without touching the machine's own apt and dpkg state.

Everything (package lists, an empty dpkg status, downloads) lies below one directory of ours. The mirror, its
signatures and its transport settings are those of the machine's own apt sources: no address is written down here.
Used by ``install.py`` and ``debian/generate.py``; standard library only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class AptFailed(Exception):
    """apt refused; the message holds its output."""


@dataclass(frozen=True)
class Mirrors:
    """The machine's own Debian mirrors."""

    main: str
    security: str | None


def mirrors() -> Mirrors:
    """Return the mirrors of the machine's own apt sources; raises ``AptFailed`` if none of them is a Debian mirror."""
    # Without --no-release-info apt tells only of the lists that it has fetched: none on a new machine.
    words = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(COMPONENT)"]
    listed = _capture([*words, "Created-By: Packages"])
    found = [
        uri.rstrip("/") for uri, component in (line.split() for line in listed.splitlines()) if component == "main"
    ]
    main = next((uri for uri in found if uri.endswith("/debian")), None)
    if main is None:
        raise AptFailed(
            "The apt sources of this machine name no Debian mirror (a repository whose path ends in /debian)."
        )
    return Mirrors(main, next((uri for uri in found if uri.endswith("/debian-security")), None))


@dataclass(frozen=True)
class IsolatedApt:
    """apt for one suite, below a directory of its own."""

    root: Path
    suite: str

    def update(self) -> None:
        """Fetch the suite's package lists (signatures checked); raises ``AptFailed``."""
        self._prepare(mirrors())
        self._apt("update", "-qq", "-o", "APT::Update::Error-Mode=any")

    def stanzas(self) -> Iterator[dict[str, str]]:
        """Yield the fields of every package that the lists hold, security updates among them."""
        names = self._apt("indextargets", "--format", "$(FILENAME)", "Created-By: Packages").split()
        for name in names:
            text = _capture(["/usr/lib/apt/apt-helper", "cat-file", name])
            for block in text.split("\n\n"):
                if block.strip():
                    yield _fields(block)

    def download_closure(self, *packages: str) -> list[Path]:
        """Download packages with all they depend on; returns every file that apt holds afterwards."""
        self._apt("install", "-qq", "-y", "--download-only", *packages)
        return sorted((self.root / "cache/archives").glob("*.deb"))

    def download(self, into: Path, *packages: str) -> None:
        """Download exactly these ``name=version`` into a directory (apt checks their hashes)."""
        if packages:
            self._apt("download", "-qq", *packages, cwd=into)

    def _apt(self, *arguments: str, cwd: Path | None = None) -> str:
        return _capture(["apt-get", "-c", str(self.root / "apt.conf"), *arguments], cwd=cwd)

    def _prepare(self, known: Mirrors) -> None:
        """Lay out the directories and the configuration; repeating it changes nothing."""
        for part in ("lists/partial", "cache/archives/partial", "etc/preferences.d", "state"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        lines = [f"deb [signed-by={KEYRING}] {known.main} {self.suite} main"]
        if known.security:
            lines.append(f"deb [signed-by={KEYRING}] {known.security} {self.suite}-security main")
        (self.root / "etc/sources.list").write_text("\n".join(lines) + "\n")
        # An empty status makes apt compute whole closures instead of what the host happens to lack.
        (self.root / "state/status").touch()
        (self.root / "apt.conf").write_text(
            f'Dir::Etc "{self.root}/etc";\n'
            f'Dir::Etc::sourcelist "{self.root}/etc/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::parts "/etc/apt/apt.conf.d";\n'
            f'Dir::State "{self.root}/state";\n'
            f'Dir::State::lists "{self.root}/lists";\n'
            f'Dir::State::status "{self.root}/state/status";\n'
            f'Dir::Cache "{self.root}/cache";\n'
            'APT::Install-Recommends "false";\n'
            # The download user of apt cannot write below directories that only root may enter.
            'APT::Sandbox::User "root";\n'
            # Hooks of the host's own apt configuration are none of our business.
            "#clear APT::Update::Post-Invoke-Success;\n"
            "#clear APT::Update::Post-Invoke;\n"
            "#clear DPkg::Post-Invoke;\n"
            "#clear DPkg::Pre-Install-Pkgs;\n"
        )


def _fields(block: str) -> dict[str, str]:
    """Read one stanza of a Packages file; of long fields only the first line is kept."""
    return dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", block, re.MULTILINE))


def _capture(argv: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise AptFailed(f"{' '.join(argv[:4])} ...: exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
