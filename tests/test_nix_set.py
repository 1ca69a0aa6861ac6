"""The package set out of Debian packages: every attribute runs, and the small module system behaves like NixOS's."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from debian_set import ATTRIBUTES, PACKAGES, ROOT, SET, Nix, find_nix, program, workspace

pytestmark = pytest.mark.machine

RUNS: dict[str, Sequence[str]] = {
    **{
        name: (name, "--version")
        for name in ("bash", "bat", "bc", "cmake", "curl", "direnv", "file", "fish", "fzf", "gawk")
    },
    **{
        name: (name, "--version")
        for name in ("gcc", "gdb", "git", "gzip", "hello", "hostname", "htop", "jq", "less", "man", "nano", "ncdu")
    },
    **{
        name: (name, "--version")
        for name in ("ninja", "patch", "perl", "pkg-config", "pv", "python3", "rsync", "screen", "shellcheck")
    },
    **{name: (name, "--version") for name in ("strace", "tree", "vim", "wget", "zstd", "fd", "xz", "dos2unix")},
    **{name: (name, "-v") for name in ("unzip", "zip")},
    "binutils": ("ld", "--version"),
    "bzip2": ("bzip2", "--help"),
    "code-server": ("code-server", "--version"),
    "coreutils": ("ls", "--version"),
    "dbus": ("dbus-daemon", "--version"),
    "diffutils": ("diff", "--version"),
    "entr": ("sh", "-c", 'test -n "$(echo $0 | entr -nz echo changed)"'),
    "findutils": ("find", "--version"),
    "getent": ("getent", "--version"),
    "glibcLocales": ("locale", "--version"),
    "gnugrep": ("grep", "--version"),
    "gnumake": ("make", "--version"),
    "gnused": ("sed", "--version"),
    "gnutar": ("tar", "--version"),
    "iproute2": ("ip", "-V"),
    "iputils": ("ping", "-V"),
    "lsof": ("lsof", "-v"),
    "lua5_4": ("lua", "-v"),
    "ncurses": ("tput", "-V"),
    "neovim": (
        "nvim",
        "--headless",
        "--clean",
        "+runtime! plugin/netrwPlugin.vim",
        "+echo exists('g:loaded_netrwPlugin')",
        "+qa",
    ),
    "netcat": ("nc", "-h"),
    "nftables": ("nft", "--version"),
    "nodejs": ("node", "-e", "require('node:crypto').randomUUID(); console.log(process.version)"),
    "openssh": ("ssh", "-V"),
    "openssl": ("openssl", "version"),
    "p7zip": ("7zr", "i"),
    "procps": ("ps", "--version"),
    "psmisc": ("pstree", "--version"),
    "redis": ("redis-server", "--version"),
    "ripgrep": ("rg", "--version"),
    "socat": ("socat", "-V"),
    "sqlite": ("sqlite3", ":memory:", "select sqlite_version()"),
    "sudo": ("sudo", "--help"),
    "systemd": ("systemctl", "--version"),
    "tmux": ("tmux", "-V"),
    "universal-ctags": ("ctags", "--version"),
    "util-linux": ("lsblk", "--version"),
    "which": ("which", "which"),
}

LIBRARIES = {"pyyaml": "yaml"}
"""Python libraries whose module has another name than their attribute."""

PROGRAMLESS = {"bash-completion", "man-pages"}
"""Attributes that bring files for other programs."""
NO_ALTERNATIVES = {("util-linux", "pager"), *(("neovim", name) for name in ("editor", "ex", "rview", "rvim"))}
NO_ALTERNATIVES |= {("neovim", name) for name in ("vi", "view", "vim", "vimdiff")}
"""Names that another package of the set has: `pager` is less, and what vim is called is vim."""


@pytest.fixture(scope="module")
def nix() -> Nix:
    return find_nix()


@pytest.fixture(scope="module")
def built(nix: Nix, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every attribute's store path, built, and kept from others on this machine who collect garbage."""
    names = sorted(ATTRIBUTES)
    listed = nix.output(
        "eval", "--json", f"{nix.reference}#legacyPackages.x86_64-linux", "--apply", f"pkgs: {{ {picks(names)} }}"
    )
    roots = tmp_path_factory.mktemp("roots") / "result"
    nix.output("build", "--out-link", str(roots), *(f"{nix.reference}#{name}" for name in names))
    return {name: Path(path) for name, path in json.loads(listed).items()}


def picks(names: Sequence[str]) -> str:
    """Return Nix code for a set of the store paths of some attributes (names of packages.json, which are ours)."""
    return " ".join(f'"{name}" = "${{pkgs.{name}}}";' for name in names)


def refusal(folder: Path, nix: Nix, **changes: Any) -> str:
    """Evaluate a workspace that must be refused and return the message."""
    done = nix.run("eval", "--raw", workspace(folder, nix, **changes))
    assert done.returncode != 0, f"accepted: {done.stdout}"
    return done.stderr


def test_every_attribute_is_tried() -> None:
    """An attribute that nobody has seen running is not offered."""
    assert set(RUNS) | PROGRAMLESS == set(ATTRIBUTES)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_attribute_runs_out_of_the_store_alone(name: str, built: dict[str, Path]) -> None:
    """Each program runs with nothing but its own store path in its environment."""
    path = str(built[name] / "bin")
    command, *arguments = RUNS[name]
    executable = built[name] / "bin" / command
    if command == "sh":
        executable = built["bash"] / "bin/sh"
        path += f":{built['bash']}/bin:{built['coreutils']}/bin"
    done = subprocess.run(
        [executable, *arguments],
        env={"PATH": path},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


@pytest.mark.parametrize("name", ["npm", "npx"])
def test_scripts_of_what_is_no_debian_package_name_their_shell(name: str, built: dict[str, Path]) -> None:
    """A program that starts them without a shell would not find out by itself."""
    command = [str(built["nodejs"] / "bin" / name), "--version"]
    assert subprocess.run(command, env={"PATH": ""}, capture_output=True, check=False, timeout=60).returncode == 0


def test_every_attribute_has_its_main_program(nix: Nix, built: dict[str, Path]) -> None:
    """The program that the set names for an attribute is there, under that name."""
    shown = "pkgs: builtins.mapAttrs (_: p: p.meta.mainProgram) { inherit (pkgs) " + " ".join(ATTRIBUTES) + "; }"
    named = json.loads(nix.output("eval", "--json", f"{nix.reference}#legacyPackages.x86_64-linux", "--apply", shown))
    assert set(named) == set(built)
    without = {name for name, program in named.items() if program is None}
    assert without == {name for name, one in ATTRIBUTES.items() if one.get("mainProgram", name) is None}
    missing = {
        name: program
        for name, program in named.items()
        if program is not None and not os.access(built[name] / "bin" / program, os.X_OK)
    }
    assert missing == {}


def test_names_that_debian_gives_by_its_alternatives_exist(built: dict[str, Path]) -> None:
    """Maintainer scripts give them, which nobody runs here: of every package, what its script would have made."""
    locked = json.loads((SET / "lock.json").read_text())["debs"]
    expected = {}
    for name, attribute in ATTRIBUTES.items():
        for deb in attribute.get("debs", []):
            control = subprocess.run(
                ["dpkg-deb", "--ctrl-tarfile", SET / "packages" / locked[deb]["file"]], capture_output=True, check=True
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(control)) as files:
                script = files.extractfile("./postinst") if "./postinst" in files.getnames() else None
                text = "" if script is None else script.read().decode(errors="replace")
            for place in re.findall(r"--(?:install|slave)\s+(?:/usr)?/s?bin/([a-z0-9+-]+)\s", text):
                expected[name, place] = built[name] / "bin" / place
    assert {("universal-ctags", "ctags"), ("gawk", "nawk"), ("vim", "editor"), ("gcc", "c99")} <= set(expected)
    missing = {key for key, path in expected.items() if not os.access(path, os.X_OK)}
    assert missing == NO_ALTERNATIVES


def test_nothing_is_linked_to_the_host(built: dict[str, Path]) -> None:
    """Programs take their dynamic linker and libraries from the store."""
    for name in ("git", "vim", "systemd", "openssh", "python3", "nodejs"):
        programs = [
            path for path in (built[name] / "bin").iterdir() if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"
        ]
        assert programs, name
        for path in programs:
            loaded = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
            assert "not found" not in loaded, path
            outside = [
                line
                for line in loaded.splitlines()
                if "=> /" in line and "=> /nix/store/" not in line and "ld-linux" not in line
            ]
            assert not outside, (path, outside)


def test_attributes_describe_themselves(nix: Nix) -> None:
    """The search shows each attribute's version and Debian's own description."""
    shown = "{ inherit (p) version; inherit (p.meta) description; }"
    apply = f"pkgs: builtins.mapAttrs (_: p: {shown}) {{ inherit (pkgs) git ripgrep; }}"
    found = json.loads(nix.output("eval", "--json", f"{nix.reference}#legacyPackages.x86_64-linux", "--apply", apply))
    assert found["git"]["description"].startswith("fast, scalable")
    assert found["ripgrep"]["version"][0].isdigit()
    assert "-" not in found["git"]["version"]


@pytest.mark.parametrize(
    ("compiler", "name", "source"),
    [
        (
            "gcc",
            "hello.c",
            '#include <math.h>\n#include <stdio.h>\nint main(int n, char **v) { printf("hello %g\\n", sqrt(4. * n)); }',
        ),
        (
            "g++",
            "hello.cc",
            '#include <iostream>\nint main() { try { throw 2; } catch (int n) { std::cout << "hello 2\\n"; } }',
        ),
    ],
)
def test_compiler_makes_programs_that_run(
    compiler: str, name: str, source: str, built: dict[str, Path], tmp_path: Path
) -> None:
    """The C and C++ compilers need nothing of the host, and what they make finds its libraries in the store."""
    (tmp_path / name).write_text(source)
    environment = {"PATH": f"{built['gcc']}/bin", "TMPDIR": str(tmp_path)}
    gcc: list[str | Path] = [built["gcc"] / "bin" / compiler, "-Wall", "-o", tmp_path / "hello", tmp_path / name, "-lm"]
    made = subprocess.run(gcc, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (
        subprocess.run([tmp_path / "hello"], env={}, capture_output=True, text=True, check=True).stdout == "hello 2\n"
    )
    assert b"/nix/store/" in (tmp_path / "hello").read_bytes()


def test_python_makes_virtual_environments(built: dict[str, Path], tmp_path: Path) -> None:
    """`python3 -m venv` works and brings pip."""
    environment = {"HOME": str(tmp_path)}
    subprocess.run(
        [built["python3"] / "bin/python3", "-m", "venv", tmp_path / "env"],
        env=environment,
        check=True,
        capture_output=True,
    )
    said = subprocess.run(
        [tmp_path / "env/bin/pip", "--version"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert said.startswith("pip ")


def test_python_libraries_can_be_imported(nix: Nix, tmp_path: Path) -> None:
    """Chosen libraries are importable by the workspace's python3, whose programs they bring along."""
    libraries = list(PACKAGES["python3Packages"])
    reference = workspace(tmp_path, nix, packages=["python3", *(f"python3Packages.{name}" for name in libraries)])
    programs = Path(nix.output("build", "--no-link", "--print-out-paths", reference)) / "sw/bin"
    # setuptools wants to be imported before whatever imports distutils.
    modules = ", ".join(["setuptools", *(LIBRARIES.get(name, name) for name in libraries)])
    environment = {"HOME": str(tmp_path), "PATH": str(programs)}
    child = "subprocess.run([sys.executable, '-c', 'import requests; print(requests.get)'], check=True)"
    code = f"import {modules}, sys, subprocess; {child}"
    said = subprocess.run(
        [programs / "python3", "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "function get" in said.stdout, said.stderr
    tool = subprocess.run([programs / "pytest", "--version"], env=environment, cwd=tmp_path, check=False)
    assert tool.returncode == 0


def test_toplevel_has_the_layout_of_nixos(nix: Nix, tmp_path: Path) -> None:
    """Tools that boot or inspect a NixOS system find their way here."""
    toplevel = Path(nix.output("build", "--no-link", "--print-out-paths", workspace(tmp_path, nix)))
    assert toplevel.name.split("-", 1)[1].startswith("nixos-system-unnamed-")
    for name in (
        "init",
        "activate",
        "sw/bin/bash",
        "sw/bin/hello",
        "etc/systemd/system/sshd.service",
        "systemd/lib/systemd/systemd",
    ):
        assert (toplevel / name).exists(), name
    assert os.access(toplevel / "init", os.X_OK)
    assert (toplevel / "system").read_text() == "x86_64-linux"
    assert not (toplevel / "etc/nixws").exists(), "what the node puts there must not be hidden"


def test_equal_environments_are_one_store_path(nix: Nix, tmp_path: Path) -> None:
    """Where a workspace lies and packages that its template has anyway change nothing; another package does."""
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    one = nix.output("eval", "--raw", workspace(folders[0], nix, template="nodejs", packages=["hello"]))
    two = nix.output("eval", "--raw", workspace(folders[1], nix, template="nodejs", packages=["git", "hello", "hello"]))
    three = nix.output("eval", "--raw", workspace(folders[2], nix, template="nodejs", packages=["tree"]))
    assert one == two
    assert one != three


def test_templates_are_listed_in_one_evaluation(nix: Nix) -> None:
    """Title, description, icon and packages of all templates come at once, without a workspace."""
    listed = json.loads(nix.output("eval", "--json", "--file", str(ROOT / "nix/templates/default.nix")))
    assert set(listed) == {"minimal", "development", "python", "nodejs", "web-ide"}
    for template in listed.values():
        assert set(template) == {"title", "description", "icon", "packages"}
        assert all(isinstance(template[key], str) and template[key] for key in ("title", "description", "icon"))
        assert set(template["packages"]) - {name for name in template["packages"] if "." in name} <= set(ATTRIBUTES)


@pytest.mark.parametrize("template", ["minimal", "development", "python", "nodejs", "web-ide"])
def test_templates_evaluate(template: str, nix: Nix, tmp_path: Path) -> None:
    """Every template is a system."""
    assert nix.output("eval", "--raw", workspace(tmp_path, nix, template=template)).startswith("/nix/store/")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            "{ services.postgresql9.enable = true; }",
            "The option `services.postgresql9' does not exist. Definition values:",
        ),
        ("{ services.openssh.prots = [ 22 ]; }", "The option `services.openssh.prots' does not exist"),
        ("{ users.users.nixos.shel = 1; }", "The option `users.users.nixos.shel' does not exist"),
        (
            '{ services.openssh.enable = "yes"; }',
            "A definition for option `services.openssh.enable' is not of type `boolean'",
        ),
        (
            "{ networking.firewall.allowedTCPPorts = [ 70000 ]; }",
            "is not of type `16 bit unsigned integer; between 0 and 65535",
        ),
        ("{ networking.firewall.allowedTCPPorts = 80; }", "is not of type `list of 16 bit unsigned integer"),
        ('{ environment.systemPackages = [ "git" ]; }', "is not of type `package'"),
        (
            '{ services.journald.storage = "disk"; }',
            'is not of type `one of "persistent", "volatile", "auto", "none"\'',
        ),
        ('{ time.timeZone = "Asia/Tokyo"; }', "The option `time.timeZone' has conflicting definition values:"),
        ("{ boot.isContainer = { lib, ... }: true; }", "is not of type `boolean'"),
        (
            "{ lib, ... }: { boot.isContainer = lib.mkForce false; }",
            "Failed assertions:\n       - boot.isContainer must be true",
        ),
        (
            "{ lib, ... }: { services.openssh.startWhenNeeded = lib.mkForce true; }",
            "Failed assertions:\n       - services.openssh.startWhenNeeded must be false",
        ),
        ('{ config = { }; time.timeZone = "UTC"; }', "has an unsupported attribute `time'"),
    ],
)
def test_wrong_modules_are_refused_in_the_words_of_nixos(module: str, message: str, nix: Nix, tmp_path: Path) -> None:
    """Known remedies for an error message of NixOS help here as well."""
    assert message in refusal(tmp_path, nix, module=module)


def test_ports_are_no_part_of_a_system(nix: Nix, tmp_path: Path) -> None:
    """Environments that differ in nothing else are one store path; the program that opens ports is in it."""
    paths = set()
    for ports in ([], [80], [80, 443]):
        reference = workspace(tmp_path, nix, ports=ports)
        paths.add(nix.output("eval", "--raw", f"{reference}.drvPath"))
    assert len(paths) == 1


def test_unknown_package_is_named(nix: Nix, tmp_path: Path) -> None:
    """A package that does not exist, or is no package, is refused by its name."""
    for name in ("nosuchpackage", "lib", "python3Packages", "python3Packages.nosuch", "git.out.nosuch", "debian.libc6"):
        assert f"the package `{name}' does not exist" in refusal(tmp_path, nix, packages=[name])


def test_modules_merge_as_in_nixos(nix: Nix, tmp_path: Path) -> None:
    """Conditions, priorities, orders and imports combine as NixOS combines them."""
    module = """
      { lib, config, ... }: {
        imports = [ { config = lib.mkIf (config.time.timeZone == "Asia/Tokyo") { system.name = "east"; }; } ];
        time.timeZone = lib.mkForce "Asia/Tokyo";
        services.journald.rateLimitBurst = lib.mkMerge [ (lib.mkDefault 1) (lib.mkIf false 2) 3 ];
        environment.etc.ordered.text = lib.mkMerge [ (lib.mkAfter "last") "middle" (lib.mkBefore "first") ];
        environment.etc.absent = lib.mkIf false { text = "x"; };
        networking.firewall.allowedTCPPorts = [ 443 443 80 ];
      }
    """
    reference = workspace(tmp_path, nix, module=module).removesuffix(".system.build.toplevel")
    apply = """config: {
      name = config.system.name;
      burst = config.services.journald.rateLimitBurst;
      ports = config.networking.firewall.allowedTCPPorts;
      text = config.environment.etc.ordered.text; absent = config.environment.etc ? absent;
    }"""
    assert json.loads(nix.output("eval", "--json", reference, "--apply", apply)) == {
        "name": "east",
        "burst": 3,
        "ports": [22, 80, 443],
        "text": "first\nmiddle\nlast",
        "absent": False,
    }


@pytest.mark.parametrize("granted", [True, False])
def test_own_keys_and_foreign_scripts_are_as_granted(nix: Nix, tmp_path: Path, *, granted: bool) -> None:
    toplevel = Path(
        nix.output(
            *("build", "--no-link", "--print-out-paths"),
            workspace(tmp_path, nix, packages=[], grants={"own_keys": granted, "foreign_scripts": granted}),
        )
    )
    keys = re.search(r"^AuthorizedKeysFile (.*)$", (toplevel / "etc/ssh/sshd_config").read_text(), re.MULTILINE)
    assert keys is not None
    assert keys[1].split() == ["/etc/nixws/authorized_keys", *([".ssh/authorized_keys"] if granted else [])]
    activate = (toplevel / "activate").read_text()
    assert ("ln -sfn /run/current-system/sw/bin/bash /bin/bash" in activate) is granted
    assert ("rm -f /bin/bash" in activate) is not granted


def test_programs_change_nothing_when_run_again(nix: Nix) -> None:
    """Both set-up programs are idempotent: same result, no file touched."""
    watched = [SET / "lock.json", SET / "reference", nix.executables.parent / "installed"]
    before = [path.stat().st_mtime_ns for path in watched]
    assert program("nix/debian/generate.py")[-1] == nix.reference
    assert Path(program("nix/install.py")[-1]) == nix.executables
    assert [path.stat().st_mtime_ns for path in watched] == before


def test_generated_reference_is_what_nix_computes(nix: Nix) -> None:
    """The hash that pins the set is computed without Nix, and Nix agrees."""
    url, _, ours = nix.reference.partition("?narHash=")
    assert json.loads(nix.output("flake", "prefetch", "--json", "--refresh", url))["hash"] == ours


def test_two_runs_wait_for_each_other(nix: Nix) -> None:
    """A second run waits until the first one is done with the files."""
    with held(SET / "lock"):
        second = subprocess.Popen(["python3", ROOT / "nix/debian/generate.py"], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=1.0)
    assert second.communicate(timeout=60)[0].splitlines()[-1] == nix.reference


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file as a running program does."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_without_npm_the_set_is_whole_and_the_web_ide_can_be_fetched_inside(nix: Nix, tmp_path: Path) -> None:
    """A machine may reach Debian's mirror and no npm registry."""
    out = tmp_path / "set"
    out.mkdir()
    (out / "packages").mkdir()
    for package in (SET / "packages").iterdir():
        if "code-server" not in package.name:
            (out / "packages" / package.name).symlink_to(package)
    lock = json.loads((SET / "lock.json").read_text()) | {"npm": {}, "npm_fingerprint": ""}
    (out / "lock.json").write_text(json.dumps(lock))
    environment = os.environ | {"NPM_CONFIG_REGISTRY": "http://127.0.0.1:1/", "NPM_CONFIG_FETCH_RETRY_MINTIMEOUT": "1"}
    command = ["python3", str(ROOT / "nix/debian/generate.py"), "--out", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=280)
    assert "code-server could not be had from npm and is left out" in done.stdout
    without = Nix(nix.executables, done.stdout.splitlines()[-1])
    assert without.output(
        "eval", f"{without.reference}#legacyPackages.x86_64-linux", "--apply", "p: p ? code-server"
    ) == ("false")
    assert without.output("eval", "--raw", workspace(tmp_path, without, template="web-ide")).startswith("/nix/store/")
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=280)
    assert again.stdout.splitlines() == [without.reference], "it is not asked for again each time"


def test_set_is_readable_by_everybody(nix: Nix) -> None:
    """An unprivileged user evaluates the set."""
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    said = subprocess.run(
        [*nobody, "cat", SET / "reference", SET / "lock.json"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert nix.reference in said.stdout
    assert [path for path in (SET / "packages").iterdir() if not path.stat().st_mode & 0o004] == []
