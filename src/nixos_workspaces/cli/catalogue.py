"""The verbs that look around: templates, packages, the service's health."""

from __future__ import annotations

from typing import Annotated

import typer

from nixos_workspaces.cli.target import emit, out, target_of

packages_app = typer.Typer(help="The packages that workspaces can have.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command()(templates)
    app.command()(doctor)
    app.command("collect-garbage")(collect_garbage)
    app.add_typer(packages_app, name="packages")


def templates(context: typer.Context) -> None:
    """List the templates that a workspace can be made from."""
    with target_of(context).client() as client:
        found = client.templates()
    if target_of(context).as_json:
        emit({"templates": [one.model_dump(mode="json") for one in found]})
    else:
        from nixos_workspaces.cli.show import templates_view

        out().print(templates_view(found))


@packages_app.command("search")
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Part of a name or description.")] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
) -> None:
    """Search the package set in force."""
    with target_of(context).client() as client:
        found = client.packages(query, limit)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
    else:
        from nixos_workspaces.cli.show import packages_view

        out().print(packages_view(found.packages))


def doctor(context: typer.Context) -> None:
    """Check every part of the service and say what to do about what is not well."""
    with target_of(context).client() as client:
        health = client.health()
    if target_of(context).as_json:
        emit(health.model_dump(mode="json"))
    else:
        from nixos_workspaces.cli.show import health_view

        out().print(health_view(health))
    if health.status != "ok":
        raise typer.Exit(1)


def collect_garbage(context: typer.Context) -> None:
    """Delete what no workspace needs any more from the store."""
    with target_of(context).client() as client:
        collected = client.collect_garbage()
    if target_of(context).as_json:
        emit(collected.model_dump(mode="json"))
    else:
        print(f"{collected.freed_bytes / (1 << 20):.1f} MiB freed")
