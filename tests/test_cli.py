"""The command line as a user runs it: a real process against a live service."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_nixws import run_nixws
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.cli.main import app
from nixos_workspaces.cli.target import write_cli_file

NIXWS = Path(sys.executable).parent / "nixws"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def web(data: Path) -> Iterator[Web]:
    with running_web(data) as running:
        yield running


def run(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``nixws`` with nothing of this process's environment but PATH."""
    given = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", **environ}
    return run_nixws(words, given, stdin)


@pytest.fixture
def nixws(web: Web) -> Any:
    def call(*words: str, code: int = 0, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        done = run(*words, stdin=stdin, **{"NIXWS_URL": web.url, "NIXWS_TOKEN": web.token, **environ})
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return call


def test_a_workspace_from_create_to_delete(nixws: Any) -> None:
    made = nixws(
        "create", "cli-one", "--cpu", "0.5", "--memory", "0.5", "--storage", "1", "-t", "minimal", "-p", "git,jq"
    )
    assert "running" in made.stdout
    assert "cli-one: creating" in made.stderr
    shown = json.loads(nixws("show", "cli-one", "--json").stdout)["workspace"]
    assert shown["config"]["packages"] == ["git", "jq"]
    assert shown["config"]["cpu"] == 0.5
    assert "cli-one" in nixws("list").stdout
    listed = json.loads(nixws("--json", "list").stdout)["workspaces"]
    assert [one["name"] for one in listed] == ["cli-one"]
    for verb, status in (
        ("stop", "stopped"),
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("restart", "running"),
    ):
        done = nixws(verb, shown["id"], "--json")
        assert json.loads(done.stdout)["workspace"]["status"] == status
    changed = json.loads(nixws("resize", "cli-one", "--memory", "0.75", "--json").stdout)["workspace"]
    assert changed["config"]["memory"] == 0.75
    assert nixws("logs", "cli-one").stdout
    assert "minimal" in nixws("generations", "cli-one").stdout
    assert nixws("delete", "cli-one", code=1, stdin="n\n").returncode == 1
    assert nixws("delete", "cli-one", "--yes").stdout == "cli-one is deleted.\n"
    assert nixws("show", "cli-one", code=3).stderr.startswith("nixws: There is no workspace 'cli-one'")


def test_what_restarts_says_so_and_asks(web: Web, nixws: Any) -> None:
    """Only what restarts: without a terminal to ask at, `--yes` has to be given."""
    made = web.create("asked")
    for live in (["--cpu", "0.5"], ["--memory", "0.5"], ["--port", "80", "--port", "443"], ["--no-ports"]):
        nixws("resize", "asked", *live)
    for words, why in (
        (["resize", "asked", "-p", "jq"], "other packages"),
        (["resize", "asked", "-t", "python", "--storage", "2"], "another template and more storage"),
        (["rebuild", "asked"], "another build of its system"),
    ):
        for stdin in ("", "y\n"):
            refused = nixws(*words, code=2, stdin=stdin)
            said = f"This restarts asked: {why}. Which terminals are open cannot be told; they end with all that runs"
            assert said in refused.stderr
            assert refused.stderr.endswith("what is on its disk stays. Give --yes to go on.\n")
        with web.http() as http:
            shown = http.get(f"/api/nixos/workspaces/{made['id']}").json()["workspace"]
        assert (shown["config"]["packages"], shown["config"]["template"], shown["generation"]) == (
            ["git"],
            "minimal",
            1,
        )
    error = json.loads(nixws("--json", "resize", "asked", "-p", "jq", code=2).stderr)["error"]
    assert error["code"] == "needs_yes"
    nixws("resize", "asked", "-p", "jq", "--yes")
    nixws("stop", "asked")
    nixws("resize", "asked", "-p", "git")
    nixws("delete", "asked", "--yes")


def test_a_person_is_asked_before_a_restart(web: Web) -> None:
    """At a terminal: no is an answer."""
    web.create("by-hand")
    environ = {"PATH": os.environ["PATH"], "NIXWS_URL": web.url, "NIXWS_TOKEN": web.token, "HOME": "/nonexistent"}
    for typed, code, packages in ((b"n\n", 1, ["git"]), (b"y\n", 0, ["jq"])):
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "r+b", buffering=0) as hand, os.fdopen(theirs, "rb") as stdin:
            hand.write(typed)
            done = subprocess.run(
                [str(NIXWS), "resize", "by-hand", "-p", "jq"],
                env=environ,
                stdin=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        assert done.returncode == code, done.stderr
        assert "This restarts by-hand: other packages." in done.stderr
        assert "Go on?" in done.stderr
        with web.http() as http:
            assert http.get("/api/nixos/workspaces/by-hand").json()["workspace"]["config"]["packages"] == packages


def test_a_workspace_is_renamed(web: Web, nixws: Any) -> None:
    made = web.create("before")
    web.create("in-the-way")
    renamed = json.loads(nixws("rename", "before", "after", "--json").stdout)["workspace"]
    assert (renamed["id"], renamed["name"], renamed["hostname"]) == (made["id"], "after", "after")
    assert "There is no workspace 'before'" in nixws("show", "before", code=3).stderr
    assert "choose another name" in nixws("rename", "after", "in-the-way", code=5).stderr
    assert "a name has" in nixws("rename", made["id"], "create", code=2).stderr
    nixws("rename", made["id"], "after")


def test_the_catalogue(nixws: Any) -> None:
    assert "minimal" in nixws("templates").stdout
    assert json.loads(nixws("templates", "--json").stdout)["templates"]
    assert "git" in nixws("packages", "search", "git").stdout
    assert json.loads(nixws("--json", "doctor").stdout)["status"] == "ok"
    told = nixws("doctor").stdout
    assert "ok" in told
    assert "schema" in told


def test_why_says_it_in_one_line_with_the_next_command(web: Web, nixws: Any) -> None:
    made = web.create("cli-why")
    nixws("stop", "cli-why")
    first, second, *_ = nixws("why", "cli-why").stdout.splitlines()
    assert first.startswith("admin stopped it.")
    assert first.endswith("stop.asked")
    assert second == "Start it.  nixws start cli-why"
    every = nixws("why", "cli-why", "--all", "-q", "files").stdout
    for line in ("Check resource availability", "Validate WebSocket connection", "Check disk space availability"):
        assert line in every
    told = json.loads(nixws("--json", "why", made["id"]).stdout)
    assert (told["code"], told["next"]["action"], len(told["checks"])) == ("stop.asked", "start", 12)
    assert "not_running" in nixws("why", "cli-why", "-q", "else", code=2).stderr
    nixws("delete", "cli-why", "--yes")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "none"], 3, "There is no workspace 'none'"),
        (["show", "../../healthz"], 3, "There is no workspace"),
        (["create", "Bad_Name"], 2, "a name has"),
        (["create", "a", "--cpu", "nan"], 2, "cpu"),
        (["create", "a", "--cpu", "0"], 2, "cpu"),
        (["create", "a", "--cpu", "many"], 2, "--cpu"),
        (["create", "a", "-p", "none-such"], 2, "none-such"),
        (["create", "a", "-t", "none-such"], 2, "none-such"),
        (["resize", "none"], 2, "give at least one"),
        (["fly"], 2, "No such command"),
        (["list", "--status", "dead"], 2, "status"),
        (["ssh", "none"], 3, "There is no workspace"),
    ],
)
def test_what_goes_wrong_is_said_on_stderr_with_an_exit_code(
    nixws: Any, words: list[str], code: int, said: str
) -> None:
    done = nixws(*words, code=code)
    assert said in done.stderr
    assert done.stdout == ""


def test_errors_are_json_too_when_asked_for(nixws: Any) -> None:
    error = json.loads(nixws("show", "none", "--json", code=3).stderr)["error"]
    assert (error["code"], error["field"]) == ("workspace_not_found", "workspace_id")


def test_who_is_not_signed_in_is_told_how_to(nixws: Any, tmp_path: Path) -> None:
    assert "The token is not valid" in nixws("list", code=4, NIXWS_TOKEN="nope").stderr
    done = nixws("--data", str(tmp_path), "list", code=4, NIXWS_TOKEN="")
    assert "token create" in done.stderr


def test_a_service_that_does_not_answer(tmp_path: Path) -> None:
    done = run("list", NIXWS_URL="http://127.0.0.1:1", NIXWS_TOKEN="x")
    assert done.returncode == 6
    assert "does not answer at http://127.0.0.1:1" in done.stderr
    done = run("list", NIXWS_URL="not a url", NIXWS_TOKEN="x")
    assert done.returncode in {2, 6}
    assert "Traceback" not in done.stderr
    assert tmp_path.is_dir()


def test_a_list_fits_eighty_columns(web: Web, nixws: Any) -> None:
    made = web.create("a-name-of-some-length")
    narrow = nixws("list", COLUMNS="80").stdout.splitlines()
    assert [len(line.rstrip()) <= 80 for line in narrow] == [True] * len(narrow)
    [line] = [line for line in narrow if "a-name" in line]
    assert re.search(r" running +1 +1 GB +1 GB +minimal +\d{4}-\d\d-\d\d \d\d:\d\d$", line.rstrip())
    assert made["id"] not in line
    assert made["id"] in nixws("list", COLUMNS="120").stdout


def test_tokens_are_made_listed_and_revoked_in_the_data_directory(web: Web, data: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return run("--data", str(data), "token", *words, NIXWS_URL=web.url)

    made = call("create", "from-cli")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert made.stdout == f"{secret}\n"
    assert len(secret) >= 40
    assert run("list", NIXWS_URL=web.url, NIXWS_TOKEN=secret).returncode == 0
    assert "from-cli" in call("list").stdout
    assert secret not in call("list").stdout
    assert call("revoke", "from-cli").returncode == 0
    assert call("revoke", "from-cli").returncode == 3
    # Another process than the service revoked it: it is known for as long as that (auth.recent).
    until("it counts no more", lambda: run("list", NIXWS_URL=web.url, NIXWS_TOKEN=secret).returncode == 4, seconds=1)
    assert call("create", "\x1b[31m").returncode == 2


def test_the_login_link_signs_in(web: Web, data: Path) -> None:
    import httpx2

    link = run("--data", str(data), "login-link", NIXWS_URL=web.url).stdout.strip()
    assert link.startswith(f"{web.url}/login?code=")
    with httpx2.Client(trust_env=False, verify=False) as browser:
        assert browser.get(link).status_code == 200
        browser.post(f"{web.url}/login", data={"code": link.partition("code=")[2]})
        assert browser.get(f"{web.url}/api/nixos/session").status_code == 200


def test_the_data_directory_tells_address_and_token(web: Web, tmp_path: Path) -> None:
    """A reader of the data directory needs no options; the file is for its owner only, and for one address."""
    write_cli_file(tmp_path, web.url, web.token)
    assert stat.S_IMODE((tmp_path / "cli.json").stat().st_mode) == 0o600
    assert run("--data", str(tmp_path), "list").returncode == 0
    other = run("--data", str(tmp_path), "--url", "http://127.0.0.1:1", "list")
    assert other.returncode == 4
    assert "There is no token for http://127.0.0.1:1" in other.stderr


def test_logs_are_followed_until_the_workspace_is_gone(nixws: Any, web: Web) -> None:
    made = web.create("cli-followed")
    environ = {"PATH": os.environ["PATH"], "NIXWS_URL": web.url, "NIXWS_TOKEN": web.token}
    with subprocess.Popen(
        [str(NIXWS), "logs", "-f", made["id"]], env=environ, stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()
        nixws("delete", made["id"], "--yes")
        tail.stdout.read()
        until("it has ended", lambda: tail.poll() is not None)
        assert tail.returncode == 0


def test_the_version_and_help() -> None:
    assert run("--version").stdout.startswith("nixws ")
    help_ = run("--help").stdout
    for verb in ("create", "list", "ssh", "token", "serve", "node", "up", "doctor", "login-link"):
        assert verb in help_
    assert run().returncode == 2


def test_what_an_option_is_when_it_is_not_given_is_one_of_its_values() -> None:
    """A bound counts for the default, too: such a verb could not be used without the option."""
    from typer.main import get_command

    def verbs(command: Any) -> Iterator[Any]:
        yield command
        for inner in getattr(command, "commands", {}).values():
            yield from verbs(inner)

    seen = 0
    for verb in verbs(get_command(app)):
        context = verb.make_context(verb.name, [], resilient_parsing=True)
        for parameter in verb.params:
            default = parameter.get_default(context)
            if default is not None and parameter.param_type_name == "option":
                parameter.process_value(context, default)
                seen += 1
    assert seen > 50


def test_figures_now_from_second_to_second_and_over_time(nixws: Any, web: Web) -> None:
    nixws("create", "cli-measured", "--cpu", "0.5", "--memory", "0.5", "--storage", "1", "-t", "minimal")
    web.measure()
    shown = nixws("metrics", "cli-measured").stdout
    assert re.search(r"^Memory +25\.0% \(128\.0 MB of 512\.0 MB;", shown, re.MULTILINE)
    assert re.search(r"^backup\.service +0\.50 +64\.0 MB +2$", shown, re.MULTILINE)
    told = json.loads(nixws("metrics", "cli-measured", "--json").stdout)
    assert (told["metrics"]["memory_usage"], told["programs"][0]["name"]) == (25.0, "backup.service")
    lines = nixws("metrics", "cli-measured", "--since", "1h").stdout.splitlines()
    assert lines[0].split() == [
        "TIME",
        "CPU",
        "MEMORY",
        "STORAGE",
        "IN",
        "OUT",
        "READ",
        "WRITTEN",
        "WAITS",
        "PROCS",
        "OOM",
    ]
    assert "25.0%" in lines[1]
    series = json.loads(nixws("metrics", "cli-measured", "--since", "1h", "--json").stdout)
    assert series["step"] == 120
    assert "--since takes" in nixws("metrics", "cli-measured", "--since", "soon", code=2).stderr
    nixws("metrics", "cli-measured", "--since", "1h", "--watch", code=2)
    nixws("stop", "cli-measured")
    assert "is stopped" in nixws("metrics", "cli-measured", "--watch", code=5).stderr
    nixws("metrics", "cli-measured", code=5)
