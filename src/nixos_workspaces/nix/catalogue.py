"""The catalogue: the packages and the templates of the set in force."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import InvalidInput, Unavailable, WorkspacesError
from nixos_workspaces.model.environment import Environment, Package, Template
from nixos_workspaces.model.names import is_package_name
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.flakes import replace_file
from nixos_workspaces.nix.index import Names, PackageIndex, from_lines, members, to_lines
from nixos_workspaces.nix.locks import SingleFlight, Turns
from nixos_workspaces.nix.names import unknown
from nixos_workspaces.nix.package_set import PackageSet, PackageSetKind

log = logging.getLogger(__name__)

INDEX_SECONDS = 900.0
PATIENCE_SECONDS = 20.0
"""How long a caller waits for the index of a large set before being told to come back."""
_LOOKUP_SECONDS = 120.0
_LONGEST_QUERY = 200
_NAMES_AT_ONCE = 500
"""One argument of a command has at most 128 KiB."""
_LOOKUP = Path(__file__).with_name("lookup.nix")
_SIZES = Path(__file__).with_name("sizes.nix")


class Catalogue:
    """The packages and templates of one package set; asks Nix once and remembers."""

    def __init__(
        self, directory: Path, package_set: PackageSet, nix: Nix, templates: Path, evaluations: Turns | None = None
    ) -> None:
        """Keep the index in ``directory``; ``templates`` holds the modules; each evaluation takes a turn."""
        digest = hashlib.sha256(package_set.locked.encode()).hexdigest()[:32]
        self._index_file = directory / f"packages-{digest}.jsonl"
        self._package_set = package_set
        self._nix = nix
        self._templates_file = templates / "default.nix"
        self._templates: tuple[Template, ...] | None = None
        self._packages: PackageIndex | None = None
        self._indexing: asyncio.Task[PackageIndex] | None = None
        self._usable: set[str] = set()
        self._evaluations = Turns(1) if evaluations is None else evaluations
        self._asking: SingleFlight[Any] = SingleFlight()

    async def templates(self) -> tuple[Template, ...]:
        """Return the templates, sorted by name."""
        if self._templates is None:
            told = await self._asking.do("templates", self._ask_for_templates)
            self._templates = tuple(_template(name, told[name]) for name in sorted(told))
        return self._templates

    async def _ask_for_templates(self) -> dict[str, Any]:
        async with self._evaluations.taken():
            found: dict[str, Any] = await self._nix.json(
                "eval", "--json", "--file", self._templates_file, timeout=_LOOKUP_SECONDS
            )
        return found

    async def search(self, query: str, limit: int) -> tuple[Package, ...]:
        """Return the packages whose name or description holds every word of ``query``, best first."""
        if len(query) > _LONGEST_QUERY:
            raise InvalidInput(f"A query has at most {_LONGEST_QUERY} characters.", field="query")
        index = await self.packages()
        return await asyncio.to_thread(index.search, query, limit)

    async def refuse_unknown(self, environment: Environment) -> None:
        """Raise ``InvalidInput`` for a template or package that does not exist, naming the nearest that do."""
        names = [template.name for template in await self.templates()]
        if environment.template not in names:
            near = Names(names).nearest(environment.template) or tuple(names)
            said = unknown("template", near, name=environment.template)
            raise InvalidInput(said, code="unknown_template", field="template")
        answers = await self._look_up(environment.packages)
        for position, name in enumerate(environment.packages):
            match answers[name]:
                case "missing":
                    near = await self._nearest(name)
                    said = unknown("package", near, name=name, set=self._package_set.title)
                    raise InvalidInput(said, code="unknown_package", field=f"packages.{position}")
                case "refused":
                    said = Sentence("refused.package_unusable", {"name": name, "set": self._package_set.title})
                    raise InvalidInput(said, code="invalid_package", field=f"packages.{position}")

    async def packages(self) -> PackageIndex:
        """Return every package.

        The first call for a package set evaluates all of it; a caller waits ``PATIENCE_SECONDS`` at most and gets
        ``Unavailable`` (code ``index_not_ready``) while the work goes on.
        """
        if self._packages is None:
            if self._indexing is None or (self._indexing.done() and not _succeeded(self._indexing)):
                self._indexing = asyncio.create_task(self._index(), name="package index")
            await asyncio.wait({self._indexing}, timeout=PATIENCE_SECONDS)
            if not self._indexing.done():
                raise Unavailable("The list of packages is being made. Try again in a minute.", code="index_not_ready")
            self._packages = self._indexing.result()
        return self._packages

    async def close(self) -> None:
        """Cancel work in the background."""
        if self._indexing is not None and not self._indexing.done():
            self._indexing.cancel()
            await asyncio.wait({self._indexing})

    async def _nearest(self, name: str) -> tuple[str, ...]:
        """Return the names to suggest; none while they are not known."""
        try:
            index = await self.packages()
        except WorkspacesError:
            return ()
        return await asyncio.to_thread(index.names.nearest, name)

    async def _index(self) -> PackageIndex:
        """Read the index of this set, or make it."""
        try:
            return await asyncio.to_thread(lambda: from_lines(self._index_file.read_bytes()))
        except (OSError, ValueError):
            # Not made yet, or by a version that kept something else in it.
            made = await self._make_index()
        try:
            await asyncio.to_thread(lambda: replace_file(self._index_file, to_lines(made)))
        except OSError as full:
            log.warning("The list of packages is made again at the next start: it cannot be kept: %s", full)
        return made

    async def _make_index(self) -> PackageIndex:
        """Ask Nix for every package."""
        async with self._evaluations.taken():
            told = await self._nix.text("search", "--json", self._package_set.locked, "^", timeout=INDEX_SECONDS)
        usable = await asyncio.to_thread(_usable, told, f"legacyPackages.{self._nix.system}.")
        sizes: dict[str, Any] = {}
        if (
            self._package_set.kind is PackageSetKind.DEBIAN
        ):  # others do not tell, and asking all of nixpkgs takes minutes
            sizes = await self._ask(_SIZES, sorted(usable))
        sized = (replace(one, size_bytes=sizes.get(name)) for name, one in usable.items())
        return await asyncio.to_thread(PackageIndex, sized)

    async def _look_up(self, names: Iterable[str]) -> Mapping[str, str]:
        """Ask for all names that were not asked for before, in one evaluation."""
        known = self._usable
        new = sorted({name for name in names if name not in known})
        answers = dict.fromkeys(known, "package")
        if new:
            answers |= await self._asking.do(tuple(new), partial(self._ask, _LOOKUP, new))
        known.update(name for name, answer in answers.items() if answer == "package")
        return answers

    async def _ask(self, question: Path, names: Sequence[str]) -> dict[str, Any]:
        """Evaluate a Nix file for these names; return its answer to each."""
        answers: dict[str, Any] = {}
        for begin in range(0, len(names), _NAMES_AT_ONCE):
            arguments = {
                "reference": self._package_set.locked,
                "system": self._nix.system,
                "names": json.dumps(names[begin : begin + _NAMES_AT_ONCE]),
            }
            words: list[str | Path] = ["--eval", "--strict", "--json", question]
            for argument, value in arguments.items():
                words += ["--argstr", argument, value]
            async with self._evaluations.taken():
                answers |= await self._nix.json(*words, program="nix-instantiate", timeout=_LOOKUP_SECONDS)
        return answers


def _usable(told: str, prefix: str) -> dict[str, Package]:
    """Return the packages of an answer to ``nix search`` whose names can be asked for."""
    named = ((key.removeprefix(prefix), item) for key, item in members(told) if key.startswith(prefix))
    return {
        name: Package(name, str(item.get("version", "")), str(item.get("description", "")))
        for name, item in named
        if is_package_name(name)
    }


def _template(name: str, told: Mapping[str, Any]) -> Template:
    packages = tuple(map(str, told.get("packages", ())))
    return Template(name, str(told["title"]), str(told["description"]), str(told["icon"]), packages)


def _succeeded(task: asyncio.Task[PackageIndex]) -> bool:
    return not task.cancelled() and task.exception() is None
