"""The peers' own software, each as its makers publish it, in a directory beside the system; fetched once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ.get("NIXWS_BENCH_CACHE", "/var/cache/nixws/bench"))
PYTHON_PACKAGES = HOME / "python"
NODE_PACKAGES = HOME / "node"
TTYD = HOME / "ttyd"
WETTY = NODE_PACKAGES / "node_modules" / "wetty" / "build" / "main.js"
_PYTHON = ("picows", "terminado", "webssh")


def versions() -> dict[str, str]:
    """Return what is measured, by name."""
    found = {name: _wheel_version(name) for name in _PYTHON}
    if WETTY.exists():
        found["wetty"] = str(json.loads((WETTY.parent.parent / "package.json").read_text())["version"])
    if TTYD.exists():
        found["ttyd"] = _output(str(TTYD), "--version").split()[-1]
    asked = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True)
    return found | {"openssh": asked.stderr.split(",")[0].removeprefix("OpenSSH_")}


def missing() -> frozenset[str]:
    """Return the peers that could not be fetched on this machine."""
    return frozenset(name for name, path in (("ttyd", TTYD), ("wetty", WETTY)) if not path.exists())


def prepare() -> None:
    """Fetch what is missing; the client library can be imported from now on."""
    fetch()
    sys.path.append(str(PYTHON_PACKAGES))


def fetch() -> None:
    """Make sure of the client library and of every peer that this machine can have."""
    HOME.mkdir(parents=True, exist_ok=True)
    if not (PYTHON_PACKAGES / "picows").exists():
        _say("picows, terminado and webssh")
        pip = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "install")
        _run(*pip, "--target", str(PYTHON_PACKAGES), *_PYTHON)
    if not WETTY.exists() and shutil.which("npm"):
        _say("wetty")
        NODE_PACKAGES.mkdir(exist_ok=True)
        _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(NODE_PACKAGES), "wetty")
    if not TTYD.exists() and shutil.which("apt-get"):
        _say("ttyd")
        _fetch_ttyd()


def _fetch_ttyd() -> None:
    """Unpack Debian forky's ttyd with every library it needs; the system's own packages stay as they are."""
    wanted = "$(REPO_URI) $(COMPONENT)"
    targets = _output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines()
    source = next(line.split()[0] for line in targets if "/debian/" in line and line.endswith(" main"))
    apt = HOME / "apt"
    for name in ("lists/partial", "archives/partial", "etc/preferences.d"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "etc" / "sources.list").write_text(f"deb [signed-by={key}] {source} forky main\n")
    options = {
        "Dir::Etc": apt / "etc",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", *given, "-qq", "update")
    _run("apt-get", *given, "-qq", "-y", "--download-only", "install", "ttyd")
    root = HOME / "ttyd-root"
    for package in sorted((apt / "archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root))
    libraries = next(root.glob("usr/lib/*-linux-gnu"))
    loader = next(libraries.glob("ld-linux-*"))
    # The server finds its event loop by this variable, and hands it on to ssh: the directory holds nothing else.
    plugins = HOME / "ttyd-plugins"
    plugins.mkdir(exist_ok=True)
    shutil.copy(libraries / "libwebsockets-evlib_uv.so", plugins)
    draft = TTYD.with_suffix(".new")
    draft.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH={plugins} exec {loader} --library-path {libraries} {root}/usr/bin/ttyd "$@"\n'
    )
    draft.chmod(0o755)
    draft.rename(TTYD)


def _wheel_version(name: str) -> str:
    return next(PYTHON_PACKAGES.glob(f"{name}-*.dist-info")).name.removesuffix(".dist-info").split("-")[1]


def _say(what: str) -> None:
    print(f"bench: fetching {what}", flush=True)


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
