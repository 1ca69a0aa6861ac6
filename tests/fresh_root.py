"""A minimal Debian of its own, entered by ``pivot_root``: what a new machine has and nothing more.

It has namespaces of its own for mounts, processes, names and System V objects, a private /dev, and shares the kernel,
its control groups and the network: package registries are reached as this machine reaches them. How it does that
(mirror, proxy, certificates, indexes of pip and npm) is taken from this machine's own configuration.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "nix"))

from isolated_apt import KEYRING, mirrors  # noqa: E402 - found through the line above

CACHE = Path(os.environ.get("NIXWS_TEST_CACHE", "/var/cache/nixws/test-roots"))
PACKAGES = ("python3", "python3-venv", "ca-certificates")
VERSION = 1
"""Raised when what goes into a root changes, so that older tarballs are made anew."""
_BUILD_IDS, _BUILD_IDS_OF_ONE = 100_000_000, 1 << 23
"""Where the user ids of builds begin, far below those of this machine's own Nix, and how many one Nix takes."""
_PREFIX = "nixws-fresh-"
_REGISTRY_FILES = (
    *("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf", "/etc/npmrc", "/root/.npmrc"),
    *("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates"),
)
_REGISTRY_VARIABLES = re.compile(
    r"pip_.*|npm_config_.*|node_extra_ca_certs|.*_proxy|.*_ca_bundle|(nix_)?ssl_cert_.*", re.IGNORECASE
)
_ENTER = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
for shared in "$@"; do
    mkdir -p "$root$shared"
    mount --rbind "$shared" "$root$shared"
    mount -o remount,bind,ro "$root$shared"
done
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755,nosuid,noexec devices "$root/dev"
cd "$root/dev"
mkdir pts shm
while read -r name kind major minor; do mknod -m 666 "$name" "$kind" "$major" "$minor"; done <<'NODES'
null c 1 3
zero c 1 5
full c 1 7
random c 1 8
urandom c 1 9
tty c 5 0
fuse c 10 229
loop-control c 10 237
NODES
number=0
while [ "$number" -lt 256 ]; do mknod -m 660 "loop$number" b 7 "$number"; number=$((number + 1)); done
ln -s /proc/self/fd fd; ln -s fd/0 stdin; ln -s fd/1 stdout; ln -s fd/2 stderr; ln -s pts/ptmx ptmx
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 terminals pts
mount -t tmpfs -o mode=1777,nosuid,nodev memory shm
mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"
mkdir -p "$root/before"
cd "$root"
pivot_root . before
cd /
umount -l /before
rmdir /before
hostname fresh
echo ready
trap : CHLD TERM
while :; do sleep 3600 & wait $! || :; done
"""
"""The first process of a root: makes the mounts, changes the root, and then reaps what is left to it."""


def tarball(suite: str) -> Path:
    """Return the packed root of a Debian suite; made once and kept outside the checkout."""
    kept = CACHE / f"{suite}-{VERSION}.tar"
    if kept.is_file():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="making-") as made:
        words = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}"]
        subprocess.run([*words, suite, f"{made}/root", mirrors().main], check=True, stdout=subprocess.DEVNULL)
        # As an image has it: nothing that the making has fetched.
        for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(Path(made) / "root" / left)
            (Path(made) / "root" / left / "partial").mkdir(parents=True)
        subprocess.run(["tar", "-C", f"{made}/root", "-cf", f"{made}/packed", "--exclude=./dev/*", "."], check=True)
        Path(made, "packed").rename(kept)
    return kept


def _configure(root: Path, suite: str) -> list[Path]:
    """Let the root reach the registries as this machine does; returns the directories that it must be shown for it."""
    shared: set[Path] = set()
    for name in _REGISTRY_FILES:
        source, target = Path(name), root / name[1:]
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            if "pip" in name:
                local = map(Path, re.findall(r"(?<![:/\w])(?:file://)?(/[\w.+-][\w./+-]*)", source.read_text()))
                shared |= {path.parent if path.name == "simple" else path for path in local if path.is_dir()}
    known = mirrors()
    lines = [f"deb {known.main} {suite} main"]
    lines += [f"deb {known.security} {suite}-security main"] if known.security else []
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    transport = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True).stdout
    (root / "etc/apt/apt.conf.d/90transport").write_text(transport)
    site = root / "opt/nixws/nix/etc/site.conf"
    site.parent.mkdir(parents=True)
    site.write_text(build_ids() + "\n")
    return sorted(shared)


def build_ids() -> str:
    """Return the line of Nix's configuration that gives a Nix with a store of its own its own user ids for builds.

    Before and after a build Nix kills every process that it sees under the build's id, and which ids are taken is
    noted beside the store: two stores on one kernel would kill each other's builds.
    """
    return f"start-id = {_BUILD_IDS + _BUILD_IDS_OF_ONE * random.randrange(80)}"


def _copy_tree(into: Path) -> None:
    """Copy what a clone of this tree would hold, changes that are not committed included."""
    into.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    names = b"\0".join(name for name in listed.split(b"\0") if name and os.path.lexists(ROOT / os.fsdecode(name)))
    packed = subprocess.run(
        ["tar", "-c", "--null", "--no-recursion", "-T", "-"], cwd=ROOT, input=names, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", into], input=packed, check=True)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@dataclass(frozen=True)
class FreshRoot:
    """A root that runs."""

    path: Path
    first: int
    """Its first process, as this machine counts."""
    environment: Mapping[str, str]
    checkout: str
    """Where the clone lies, in the root; unlike in every other root, for a node names its parts by its data's path."""

    def start(self, *command: str, output: Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command in the checkout within the root."""
        with output.open("ab") as log:
            return subprocess.Popen(
                self._words(command, environment), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def node_tags(self) -> list[str]:
        """Return what the nodes that run in the root name their parts of this machine by."""
        return [path.name for path in Path(f"/proc/{self.first}/root/run").glob("nixws-*")]

    def run(self, *command: str, timeout: float = 120, **environment: str) -> str:
        """Run a command in the checkout within the root and return what it printed; fails if the command does."""
        done = subprocess.run(
            self._words(command, environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def _words(self, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        variables = {**self.environment, **environment}
        namespaces = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--uts", "--ipc", "--root"]
        within = ["env", "-i", f"--chdir={self.checkout}", *(f"{name}={value}" for name, value in variables.items())]
        return [*namespaces, f"--wd=/proc/{self.first}/root", *within, *command]


def interrupt(entered: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """End what ``FreshRoot.start`` has started as Ctrl-C does."""
    for child in _children(entered.pid):
        os.kill(child, signal.SIGINT)
    entered.wait(seconds)


@contextlib.contextmanager
def fresh_root(suite: str) -> Iterator[FreshRoot]:
    """Yield a new root of a Debian suite with a clone of this tree; its processes and mounts end with the context."""
    remove_left_over()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir="/var/tmp") as made, _held(Path(made)):
        root = Path(made) / "root"
        root.mkdir(mode=0o755)
        Path(made).chmod(0o755)
        subprocess.run(["tar", "-x", "-C", root, "-f", tarball(suite)], check=True)
        shared = _configure(root, suite)
        checkout = f"/srv/workspaces-{secrets.token_hex(4)}"
        _copy_tree(root / checkout[1:])
        kept = {name: value for name, value in os.environ.items() if _REGISTRY_VARIABLES.fullmatch(name)}
        kept |= {
            "HOME": "/root",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            # It shares this machine's network, by which no workspace of a test ever reaches anything.
            "NIXWS_UPLINK": "none",
        }
        # Ends with this process, however that ends.
        namespaces = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", "--pid", "--uts"]
        namespaces += ["--ipc", "--fork", "--kill-child"]
        told = Path(made) / "entering.log"
        with (
            told.open("wb") as errors,
            subprocess.Popen(
                [*namespaces, "sh", "-c", _ENTER, "sh", root, *shared],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as outer,
        ):
            try:
                assert outer.stdout is not None
                assert outer.stdout.readline() == b"ready\n", told.read_text()
                yield FreshRoot(root, _children(outer.pid)[0], kept, checkout)
            finally:
                for child in _children(outer.pid):
                    os.kill(child, signal.SIGKILL)  # the kernel ends all others of its namespace
                outer.wait(30)
        _wait_until_released(root)


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold a lock that says that a directory is in use; the kernel drops it with this process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def remove_left_over() -> None:
    """Remove the roots of runs that were killed."""
    for left in Path("/var/tmp").glob(f"{_PREFIX}*"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _held(left):
            shutil.rmtree(left, ignore_errors=True)


def _wait_until_released(root: Path, seconds: float = 30) -> None:
    """Wait until the kernel has let go of the root's loop devices: mounts end a moment after their processes."""
    deadline = time.monotonic() + seconds
    while held := loop_devices(root):
        assert time.monotonic() < deadline, f"still held: {held}"
        time.sleep(0.05)


def loop_devices(root: Path) -> list[str]:
    """Return the loop devices whose image lies below a directory."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if file.read_text().startswith(f"{root}/"):
                found.append(file.parent.parent.name)
    return found


def control_groups(tags: Sequence[str]) -> list[Path]:
    """Return the control groups of nodes."""
    return [group for tag in tags for group in Path("/sys/fs/cgroup").glob(f"*/{tag}")]
