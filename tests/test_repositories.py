"""Repositories: which addresses are taken, scripts that hold nothing of ours, and the reading of what Git says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from clock import NOW
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.logs.masking import HIDDEN
from nixos_workspaces.model.contents.repositories import GitSource, Purpose, Repository, asked, git_source
from nixos_workspaces.model.contents.secrets import OpenSecret, Secret, SecretKind, SecretLength
from nixos_workspaces.repositories.scripts import fraction_of, is_progress, reason_of, script_of, shown
from nixos_workspaces.secrets.masking import mask_of


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("https://code.example/team/app.git", "app"),
        ("https://code.example:8443/team/app/", "app"),
        ("http://10.0.0.1/x", "x"),
        ("ssh://git@code.example:2222/team/app.git", "app"),
        ("git@code.example:team/app.git", "app"),
        ("git@code.example:app", "app"),
        ("https://[2001:db8::1]/a", "a"),
    ],
)
def test_addresses_of_repositories_are_taken(url: str, directory: str) -> None:
    assert git_source(url, "v1.0") == GitSource(url, "v1.0", directory)


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=30))
def test_what_is_taken_can_be_no_option_and_no_program(url: str, ref: str, directory: str) -> None:
    try:
        source = git_source(url, ref, directory)
    except InvalidInput:
        return
    assert not any(part.startswith("-") for part in (source.url, source.ref, source.directory))
    assert "::" not in source.url.partition("[")[0]
    assert not set(source.url + source.ref + source.directory) & set(" \n\t'\"$`;&|<>\\")
    assert ".." not in source.directory.split("/")


def work(source: str, directory: str = "app", ref: str = "") -> Repository:
    return asked("ws-1", Purpose.WORK, GitSource(source, ref, directory), NOW)


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A repository with two branches."""
    bare = tmp_path / "seed"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q", "-b", "main", bare], check=True)
    (bare / "file").write_text("one")
    subprocess.run([*git, "-C", bare, "add", "."], check=True)
    subprocess.run([*git, "-C", bare, "commit", "-qm", "one"], check=True)
    subprocess.run([*git, "-C", bare, "branch", "other"], check=True)
    return bare


def run(home: Path, repository: Repository, protocols: str = "file") -> tuple[str, str]:
    """Run a script in a home directory; return its verdict and all that it wrote."""
    script = script_of(repository, 1).replace(
        b"GIT_ALLOW_PROTOCOL=http:https:ssh", f"GIT_ALLOW_PROTOCOL={protocols}".encode()
    )
    done = subprocess.run(
        ["sh", "-s"], input=script, capture_output=True, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, check=False
    )
    lines = done.stdout.decode().split("\n")
    assert done.stderr == b""
    return next(line for line in reversed(lines) if line.startswith("nixws:")), done.stdout.decode()


def test_a_clone_leaves_nothing_half_done_and_overwrites_nothing(tmp_path: Path, seed: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = f"file://{seed}"
    assert run(home, work(url, "deep/app"))[0] == "nixws:done ~/deep/app is there."
    assert (home / "deep/app/file").read_text() == "one"
    (home / "deep/app/file").write_text("mine")
    assert "left as it is" in run(home, work(url, "deep/app"))[0]
    assert (home / "deep/app/file").read_text() == "mine"
    (home / "taken").mkdir()
    (home / "taken/note").write_text("mine")
    assert run(home, work(url, "taken"))[0].startswith("nixws:failed There is something else")
    assert [path.name for path in (home / "taken").iterdir()] == ["note"]
    (home / "link").symlink_to(home / "nowhere")
    assert run(home, work(url, "link"))[0].startswith("nixws:failed There is something else")
    (home / "empty").mkdir()
    assert run(home, work(url, "empty", "other"))[0] == "nixws:done ~/empty is there."
    (home / ".nixws-clone-broken").mkdir()
    verdict, said = run(home, work(url, "broken", "no-such-branch"))
    assert verdict == "nixws:failed"
    assert reason_of(said.split("\n")).startswith("The repository has no such branch")
    assert sorted(path.name for path in home.iterdir()) == ["deep", "empty", "link", "taken"]


def test_only_the_web_and_ssh_are_protocols(tmp_path: Path, seed: Path) -> None:
    verdict, said = run(tmp_path, work(f"file://{seed}"), "http:https:ssh")
    assert (verdict, "not allowed" in said) == ("nixws:failed", True)


def test_dotfiles_have_their_script_run_for_a_time(tmp_path: Path, seed: Path) -> None:
    def dotfiles(script: str = "") -> Repository:
        return asked("ws-1", Purpose.DOTFILES, GitSource(f"file://{seed}", "", ".dotfiles"), NOW, script)

    def commit(name: str, text: str) -> None:
        (seed / name).parent.mkdir(exist_ok=True)
        (seed / name).write_text(text)
        git = ["git", "-C", str(seed), "-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", name], check=True)

    home = tmp_path / "home"
    home.mkdir()
    commit(".vimrc", "mine")
    assert "dotfiles are linked" in run(home, dotfiles())[0]
    assert (home / ".vimrc").read_text() == "mine"
    commit("script/setup", "echo out; exit 3\n")
    verdict, said = run(home, dotfiles())
    assert verdict == "nixws:failed script/setup ended with exit code 3: its output is in the log."
    assert "out\n" in said
    commit("install.sh", "sleep 60\n")
    assert run(home, dotfiles())[0] == "nixws:failed install.sh did not end within 1 seconds and was stopped."
    commit("good", "touch ~/ran\n")
    assert run(home, dotfiles("good"))[0] == "nixws:done good has run."
    assert (home / "ran").exists()
    shutil.rmtree(home / ".dotfiles")
    (home / ".dotfiles").write_text("mine")
    assert "left alone" in run(home, dotfiles("good"))[0]


def test_progress_and_reasons_are_read() -> None:
    assert fraction_of("Receiving objects:  42% (5/12), 1.2 MiB") == 0.42
    assert fraction_of("Cloning into 'x'...") is None
    assert is_progress("remote: anything at all")
    assert shown("\x1b[31mred\x1b[0m\x07 " + "x" * 1000).startswith("redx") is False
    assert len(shown("x" * 1000)) == 500
    for line, told in {
        "fatal: could not read Username for 'https://a': terminal prompts disabled": "asks for credentials",
        "fatal: unable to access 'http://a/': Could not resolve host: a": "cannot be reached",
        "git@a: Permission denied (publickey).": "refuses the workspace's SSH keys",
        "Host key verification failed.": "another host key",
        "fatal: unable to access 'https://a/': server certificate verification failed": "GIT_SSL_CAINFO",
        "fatal: repository 'https://a/' not found": "no such repository",
    }.items():
        assert told in reason_of(["Cloning into 'x'...", line])
    assert reason_of([]) == "Git failed without a reason."


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Code.example/me/app.git", "code.example"),
        ("http://127.0.0.1:8418/work.git", "127.0.0.1:8418"),
        ("ssh://git@code.example:2222/app", "code.example:2222"),
        ("git@code.example:app.git", "code.example"),
        ("git@[fd00::1]:app.git", "[fd00::1]"),
    ],
)
def test_what_is_to_be_done_names_the_host(url: str, host: str) -> None:
    asks = "fatal: could not read Username for 'https://a': terminal prompts disabled"
    assert f"nixws secret set NAME --git {host}," in reason_of([asks], url)
    assert "by its https:// address" in reason_of([asks], "http://code.example/app")
    assert f"The host {host} refuses" in reason_of(["Permission denied (publickey)."], url)


def test_values_of_secrets_are_hidden_in_text() -> None:
    secret = Secret("A", SecretKind.FILE, "/run/secrets/A", "0400", "", SecretLength.SHORT, NOW)
    mask = mask_of([OpenSecret(secret, b"first line\nsecond line\nno\n"), OpenSecret(secret, b"line")])
    assert mask("a first line, a second line, a line, no") == f"a {HIDDEN}, a {HIDDEN}, a {HIDDEN}, no"
