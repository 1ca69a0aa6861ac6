"""Names of packages: which are well formed, and how existing ones are suggested. Pure."""

from __future__ import annotations

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.names import (
    HIGHEST_PORT,
    LONGEST_PACKAGE,
    LOWEST_PORT,
    is_package_name,
    is_port,
    is_template_name,
    is_workspace_id,
)
from nixos_workspaces.model.service import Sentence

_SHOWN_LENGTH = 40


def refuse_malformed(environment: Environment) -> None:
    """Raise ``InvalidInput`` (code ``invalid_package``, ``unknown_template`` or ``invalid_port``) for bad data.

    Looks at the data only: data that passes is harmless to Nix, whether it exists or not.
    """
    template = environment.template
    if not is_template_name(template):
        raise InvalidInput(
            f"{_shown(template)} is not a template's name: small letters, digits and hyphens.",
            code="unknown_template",
            field="template",
        )
    for position, name in enumerate(environment.packages):
        if not is_package_name(name):
            raise InvalidInput(
                f"{_shown(name)} is not a package name. Names look like git or python3Packages.requests "
                f"and have at most {LONGEST_PACKAGE} characters.",
                code="invalid_package",
                field=f"packages.{position}",
            )
    for position, port in enumerate(environment.ports):
        if not is_port(port):
            raise InvalidInput(
                f"{port} is not a TCP port: {LOWEST_PORT} to {HIGHEST_PORT}.",
                code="invalid_port",
                field=f"ports.{position}",
            )


def refuse_malformed_id(workspace_id: str) -> None:
    """Raise ``InvalidInput`` for an id that cannot be a directory's name of ours."""
    if not is_workspace_id(workspace_id):
        raise InvalidInput(f"{_shown(workspace_id)} is not a workspace id.", field="workspace_id")


def unknown(kind: str, near: tuple[str, ...], **values: str) -> Sentence:
    """Return the sentence that there is no template or package of a name, with the names that are ``near``."""
    if not near:
        return Sentence(f"refused.{kind}", values)
    *first, last = near
    if not first:
        return Sentence(f"refused.{kind}_near", {**values, "near": last})
    either = Sentence("refused.near", {"first": ", ".join(first), "last": last})
    return Sentence(f"refused.{kind}_near", values, {"near": either})


def _shown(name: str) -> str:
    """Return a foreign text so that it fits into a message: quoted, escaped and short."""
    shortened = name if len(name) <= _SHOWN_LENGTH else name[:_SHOWN_LENGTH] + "…"
    return ascii(shortened) if not shortened.isprintable() else repr(shortened)
