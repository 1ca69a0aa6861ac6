"""Failures of Nix as one sentence for people. Pure.

A table of patterns, the most telling first: Nix reports one cause several times (the failed builder, then everything
that depends on it), with a trace of its own code in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nixos_workspaces.errors import BuildFailed, Unavailable, WorkspacesError
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.nix.reports.build_log import plain, store_name

_LAST_LINES = 3
_LONGEST_CAUSE = 600
_NO_ENVIRONMENT = Environment("")
_IN_FILE = re.compile(r"- In `([^']+)'")
_QUOTED_SOURCE = re.compile(r"\s*\d*\|")
"""Nix quotes the code it was at: text that may look like any message."""


@dataclass(frozen=True, slots=True)
class _Case:
    """The data that a translator may use besides its match."""

    environment: Environment
    tails: Mapping[str, Sequence[str]] = field(default_factory=dict)
    text: str = ""


def explain(
    text: str,
    *,
    environment: Environment = _NO_ENVIRONMENT,
    tails: Mapping[str, Sequence[str]] | None = None,
    timeout: float | None = None,
) -> WorkspacesError:
    """Return the error for Nix's output.

    ``text`` is its standard error or the errors of its events; ``tails`` the last lines of builders by name;
    ``timeout`` the seconds after which the command was stopped, None if it ended by itself. The answer is a
    ``BuildFailed``, or ``Unavailable`` where the environment is not to blame; its ``field`` names the datum of
    ``workspace.json`` that Nix points at.
    """
    if timeout is not None:
        return BuildFailed(Sentence("refused.nix_slow", {"seconds": f"{timeout:g}"}), code="build_timeout")
    clean = "\n".join(line for line in map(plain, text.split("\n")) if not _QUOTED_SOURCE.match(line))
    case = _Case(environment, tails or {}, clean)
    for pattern, translate in _TABLE:
        found = pattern.search(clean)
        if found:
            return translate(found, case)
    return BuildFailed(Sentence("refused.nix", {"reason": _last_error(clean)}))


def evaluation_too_slow(seconds: float) -> WorkspacesError:
    """Return the error for an evaluation that was stopped after ``seconds``."""
    return BuildFailed(
        f"Evaluating the environment was stopped because it took longer than {seconds:g} seconds. Look for an endless "
        "loop in the template, choose fewer packages, or raise evaluation_timeout.",
        code="evaluation_timeout",
    )


def _no_daemon(found: re.Match[str], _: _Case) -> WorkspacesError:
    return Unavailable(
        f"The Nix daemon does not answer at {found[1]} ({found[2].strip()}). Start it, then try again.",
        code="nix_daemon_unavailable",
    )


def _disk_full(_found: re.Match[str], _: _Case) -> WorkspacesError:
    return BuildFailed("The disk is full. Free some space or collect garbage, then build again.", code="disk_full")


def _memory(_found: re.Match[str], _: _Case) -> WorkspacesError:
    return BuildFailed(
        "Evaluating the environment took more memory than it may. Choose fewer packages or raise build_memory_gb.",
        code="evaluation_memory",
    )


def _package(found: re.Match[str], case: _Case) -> WorkspacesError:
    return BuildFailed(
        Sentence("refused.no_package", {"name": found[1]}),
        code="unknown_package",
        field=_package_field(lambda name: name == found[1], case.environment),
    )


def _template(found: re.Match[str], _: _Case) -> WorkspacesError:
    return BuildFailed(Sentence("refused.template", {"name": found[1]}), code="unknown_template", field="template")


def _unfree(found: re.Match[str], case: _Case) -> WorkspacesError:
    named = found[1].rstrip("\u2019'")
    return BuildFailed(
        Sentence("refused.by_set", {"name": named, "reason": found[2].strip()}),
        field=_package_field(lambda name: _is_built_as(name, named), case.environment),
    )


def _option(found: re.Match[str], case: _Case) -> WorkspacesError:
    where = _IN_FILE.search(case.text, found.end())
    place = f" (set in {_place(where[1])})" if where else ""
    return BuildFailed(f"The option {found[1]} does not exist{place}. Correct the template.", field="template")


def _option_type(found: re.Match[str], case: _Case) -> WorkspacesError:
    where = _IN_FILE.search(case.text, found.end())
    place = f" in {_place(where[1])}" if where else ""
    return BuildFailed(f"The option {found[1]} must be a {found[2]}; the value{place} is not.", field="template")


def _hash(found: re.Match[str], case: _Case) -> WorkspacesError:
    named = store_name(found[1])
    return BuildFailed(
        f"The download of {named} is not what the package set expects (hash mismatch: {found[2]} was promised, "
        f"{found[3]} came). Its source has changed or the mirror is damaged.",
        field=_package_field(lambda name: _is_built_as(name, named), case.environment),
    )


def _builder(found: re.Match[str], case: _Case) -> WorkspacesError:
    named = store_name(found[1])
    lines = list(case.tails.get(named, ())) or re.findall(r"^\s*> ?(.*)$", case.text[found.end() :], re.MULTILINE)
    tail = " / ".join(line.strip() for line in [line for line in lines if line.strip()][-_LAST_LINES:])
    values = {"name": named, "reason": _short(found[2])}
    said = Sentence("refused.builder_said", {**values, "lines": _short(tail)}) if tail else None
    return BuildFailed(
        said or Sentence("refused.builder", values),
        field=_package_field(lambda name: _is_built_as(name, named), case.environment),
    )


def _unlocked(_found: re.Match[str], _: _Case) -> WorkspacesError:
    return BuildFailed(
        "The flake has an input that its lock does not hold. Remove the input, or lock it.", code="unlocked_input"
    )


def _imported(found: re.Match[str], case: _Case) -> WorkspacesError:
    named = store_name(found[1].removesuffix("^out"))
    return BuildFailed(
        Sentence("refused.imported", {"name": named}),
        code="import_from_derivation",
        field=_package_field(lambda name: _is_built_as(name, named), case.environment),
    )


def _too_slow(found: re.Match[str], case: _Case) -> WorkspacesError:
    named = store_name(found[1].removesuffix("^out"))
    return BuildFailed(
        Sentence("refused.build_slow", {"name": named, "seconds": found[2]}),
        code="build_timeout",
        field=_package_field(lambda name: _is_built_as(name, named), case.environment),
    )


def _download(found: re.Match[str], _: _Case) -> WorkspacesError:
    values = {"source": found[1], "reason": _short(found[2])}
    return BuildFailed(Sentence("refused.download", values), code="download_failed")


def _endless(_found: re.Match[str], _: _Case) -> WorkspacesError:
    return BuildFailed(Sentence("refused.endless"))


_TABLE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Case], WorkspacesError]], ...] = (
    (re.compile(r"cannot connect to socket at '([^']*)': (.*)"), _no_daemon),
    (re.compile(r"No space left on device|lack of free disk space|database or disk is full"), _disk_full),
    (re.compile(r"error: out of memory|std::bad_alloc|Cannot allocate memory|Out of Memory!"), _memory),
    (re.compile(r"requires lock file changes but they're not allowed|cannot write modified lock file"), _unlocked),
    (re.compile(r"cannot build '([^']+)' during evaluation because the option"), _imported),
    (re.compile(r"workspace\.json: the package `([^']+)' does not exist"), _package),
    (re.compile(r"/templates/([a-z0-9-]+)\.nix'?:? (?:does not exist|No such file)"), _template),
    (re.compile(r"Package [\u2018'](\S+) in .*? (is marked as \w+|has an unfree license[^,]*)"), _unfree),
    (re.compile(r"The option `([^']+)' does not exist"), _option),
    (re.compile(r"A definition for option `([^']+)' is not of type `([^']+)'"), _option_type),
    (
        re.compile(r"hash mismatch in fixed-output derivation '([^']+)':\s*specified:\s*(\S+)\s*got:\s*(\S+)"),
        _hash,
    ),
    (re.compile(r"building of '([^']+)'.* timed out after (\d+) seconds"), _too_slow),
    (
        re.compile(
            r"builder for '([^']+)' (failed with exit code \d+|failed due to [^;\n]+|failed to produce [a-z ]+)"
        ),
        _builder,
    ),
    (re.compile(r"Cannot build '([^']+)'\.\s*Reason: builder (failed [^\n]+?)\.?$", re.MULTILINE), _builder),
    (re.compile(r"(?<!warning: )error: unable to download '([^'?]+)[^']*': (.*)"), _download),
    (re.compile(r"infinite recursion encountered|max-call-depth exceeded"), _endless),
)


def _last_error(text: str) -> str:
    """Return the innermost cause: the last ``error:`` with a text, and up to three lines after it."""
    said = re.findall(r"error: +(\S[^\n]*(?:\n(?!\s*(?:at|…|error:))[^\n]+){0,3})", text)
    lines = [line for line in text.split("\n") if line.strip()]
    cause = said[-1] if said else (lines[-1] if lines else "it gave no reason; see the log")
    return _short(" ".join(cause.split()))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_CAUSE else text[:_LONGEST_CAUSE] + "…"


def _place(path: str) -> str:
    """Return a file of a flake as people know it: without the store."""
    return re.sub(r"^/nix/store/[0-9a-z]{32}-source/", "", path)


def _is_built_as(package: str, named: str) -> bool:
    """Tell whether the store path called ``named`` is most likely the package with that attribute name."""
    last = package.rpartition(".")[2]
    return re.fullmatch(rf"(?:python[0-9.]*-)?{re.escape(last)}(?:-[0-9].*)?", named) is not None


def _package_field(matches: Callable[[str], bool], environment: Environment) -> str | None:
    """Return the place of the first package in ``workspace.json`` that ``matches``."""
    for position, name in enumerate(environment.packages):
        if matches(name):
            return f"packages.{position}"
    return None
