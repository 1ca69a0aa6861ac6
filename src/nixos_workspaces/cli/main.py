"""``nixws``: the command line.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 no such thing, 4 not signed in or not allowed, 5 does not fit
the present state, 6 the service does not answer, 130 interrupted; ``nixws ssh`` and
``nixws terminal attach`` pass on that of the command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nixos_workspaces import __version__
from nixos_workspaces.cli import catalogue, files, ssh, sync, terminals, workspaces
from nixos_workspaces.cli.automation import idle, scaling, schedules
from nixos_workspaces.cli.connect import config, forward, ssh_keys
from nixos_workspaces.cli.contents import editors, repositories, secrets
from nixos_workspaces.cli.environments import differences
from nixos_workspaces.cli.health import support, why
from nixos_workspaces.cli.metering import costs, metrics
from nixos_workspaces.cli.network import verbs as network
from nixos_workspaces.cli.operate import audit, service, tokens
from nixos_workspaces.cli.people import login, quotas, sessions, users
from nixos_workspaces.cli.reach import ports, shares, transfers
from nixos_workspaces.cli.target import Target, fail
from nixos_workspaces.errors import InvalidInput, WorkspacesError

app = typer.Typer(
    name="nixws",
    help="Isolated, reproducible NixOS machines on demand.",
    epilog="--json may stand anywhere. Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, "
    "5 conflict, 6 no answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        print(f"nixws {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    data: Annotated[
        Path, typer.Option(envvar="NIXWS_DATA", help="Data directory of a service on this machine.")
    ] = Path("data"),
    url: Annotated[str | None, typer.Option(envvar="NIXWS_URL", help="Address of the service.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="NIXWS_TOKEN", help="Token; better given as NIXWS_TOKEN, others see arguments.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Keep the global options for the verb."""
    source = context.get_parameter_source("data")
    named = source is not None and source.name != "DEFAULT"
    context.obj = Target(data.absolute(), url or None, token or None, as_json=as_json, names_data=named)


for part in (
    *(workspaces, scaling, repositories, editors, network, files, sync, ssh, ports, shares, idle, metrics, catalogue),
    service,
):
    part.register(app)
app.command("config-ssh")(config.config_ssh)
app.command()(forward.forward)
app.command()(differences.diff)
app.command()(why.why)
app.command()(support.support)
app.command()(schedules.schedule)
app.command()(transfers.transfer)
app.add_typer(ssh_keys.app, name="ssh-key", help="List, add and remove the public keys that open your workspaces.")
app.add_typer(terminals.app, name="terminal", help="List, use and end the terminals of a workspace.")
app.add_typer(terminals.recordings, name="recordings", help="Recordings of a workspace's terminals.")
app.add_typer(transfers.app, name="transfers", help="Workspaces that are offered to you, and by you.")
app.add_typer(secrets.app, name="secret", help="Secrets of yours, and of workspaces.")
app.add_typer(
    tokens.app, name="token", help="Make, list and revoke tokens, in the data directory or of a service elsewhere."
)
app.command()(login.login)
app.command()(login.logout)
app.add_typer(sessions.app, name="session", help="List and end the browsers that are signed in as you.")
app.add_typer(users.users, name="user", help="List, make, change and suspend users.")
app.add_typer(users.groups, name="group", help="List, make and remove groups, and their members.")
app.add_typer(quotas.app, name="quota", help="Show and set what users and groups may have.")
app.add_typer(costs.usage, name="usage", help="What was used, and whether its records are whole.")
app.command("costs")(costs.costs)
app.add_typer(costs.budgets, name="budget", help="Show, set and remove budgets.")
app.add_typer(costs.prices, name="prices", help="Show and set the price book.")
app.add_typer(audit.app, name="audit", help="The audit log: read, prove, verify, export.")


def arranged(words: Sequence[str]) -> list[str]:
    """Bring ``--json`` to the front, wherever it stands before ``--``."""
    end = words.index("--") if "--" in words else len(words)
    before = [word for word in words[:end] if word != "--json"]
    return ["--json"] * (len(before) < end) + before + list(words[end:])


def main(words: Sequence[str] | None = None) -> None:
    """Run one verb and end the process with its exit code."""
    given = arranged(sys.argv[1:] if words is None else words)
    try:
        app(args=given, prog_name="nixws")
    except WorkspacesError as error:
        sys.exit(fail(error, as_json=given[:1] == ["--json"]))
    except BrokenPipeError:
        # Who read our output has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as failed:
        # A local file that is not there, cannot be written, a program that does not exist.
        about = f"{os.fsdecode(failed.filename)}: " if isinstance(failed.filename, str | bytes) else ""
        refused = InvalidInput(f"{about}{failed.strerror or failed}.", code="local_file")
        sys.exit(fail(refused, as_json=given[:1] == ["--json"]))


if __name__ == "__main__":
    main()
