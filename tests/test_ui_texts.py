"""The browser UI's texts of errors: every code that the service may answer with has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

from nixos_workspaces import errors
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.service import REMEDIES, SENTENCES, Sentence, quoting
from nixos_workspaces.schemas.wire import SentenceAnswer
from nixos_workspaces.web.http.errors import CODES, REFUSALS

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "src" / "nixos_workspaces"
TEXTS = ROOT / "ui" / "src" / "shared" / "i18n"
ELSEWHERE = {"cli", "client"}
"""Parts whose errors are read in a terminal."""
OF_THE_PAGE = {"offline"}


def codes_of_calls() -> Iterator[str]:
    """Yield the codes that are given to errors where they are raised."""
    for path in SERVICE.rglob("*.py"):
        if path.relative_to(SERVICE).parts[0] in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            given = [one.value for one in getattr(node, "keywords", []) if one.arg == "code"]
            if isinstance(node, ast.Call):
                yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))


def codes() -> set[str]:
    kinds = {one.default_code for one in errors.WorkspacesError.__subclasses__()}
    return {*codes_of_calls(), *kinds, errors.WorkspacesError.default_code, *REFUSALS, *CODES}


def texts(language: str) -> set[str]:
    source = (TEXTS / f"problems.{language}.ts").read_text()
    return set(re.findall(r"^  (\w+):", source, re.MULTILINE))


def test_every_code_has_a_german_text_and_no_text_is_for_none() -> None:
    """In English the service's own sentence is the text, unless it would speak to programs."""
    assert texts("de") == codes() | OF_THE_PAGE


def test_english_texts_are_of_codes_that_there_are() -> None:
    assert texts("en") <= codes() | OF_THE_PAGE


def catalogue(language: str) -> dict[str, str]:
    source = (TEXTS / f"{language}.ts").read_text()
    return dict(re.findall(r'^  "([\w.-]+)":\s*"(.*)",$', source, re.MULTILINE))


def test_every_template_that_is_shipped_has_its_texts_in_the_page() -> None:
    """In English they are the template's own; German says the same."""
    english, german = catalogue("en"), catalogue("de")
    for path in (ROOT / "nix" / "templates").glob("*.nix"):
        if path.stem == "default":
            continue
        for part in ("title", "description"):
            key = f"template.{path.stem}.{part}"
            [written] = re.findall(rf'^  {part} = "(.*)";$', path.read_text(), re.MULTILINE)
            assert english[key] == written
            assert german[key]


def test_the_name_of_the_shipped_package_set_is_known() -> None:
    source = (SERVICE / "nix" / "package_set.py").read_text()
    assert catalogue("en")["packages.debianSet"] in source
    assert catalogue("en")["packages.debianSet"] in (TEXTS / "names.ts").read_text()


def said(name: str) -> dict[str, str]:
    """Return one table of ``said.de.ts``, with the texts that stand there once for several codes."""
    source = (TEXTS / "said.de.ts").read_text()
    constants = dict(re.findall(r'^const (\w+) =\s*"(.*)";$', source, re.MULTILINE))
    [table] = re.findall(rf"^export const {name}: SaidTexts = \{{\n(.*?)^\}};$", source, re.MULTILINE | re.DOTALL)
    entries = re.findall(r'^  "([\w.]+)":\s*(?:"(.*)"|(\w+)),$', table, re.MULTILINE)
    return {code: text or constants[constant] for code, text, constant in entries}


def values_of(texts: Mapping[str, str]) -> dict[str, set[str]]:
    return {code: {name for _, name, _, _ in Formatter().parse(text) if name} for code, text in texts.items()}


def test_every_sentence_of_the_service_and_every_remedy_is_said_in_german_with_the_same_values() -> None:
    assert values_of(said("sentences")) == values_of(SENTENCES)
    assert values_of(said("remedies")) == values_of(REMEDIES)


def test_every_sentence_that_is_said_has_its_text() -> None:
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sentence":
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    assert code.value in SENTENCES, path


def test_a_sentence_within_another_is_told_by_its_code() -> None:
    """A page says the inner one in its language, too; who reads English finds it among the values."""
    near = Sentence("refused.near", {"first": "a", "last": "b"})
    refused = InvalidInput(Sentence("refused.template_near", {"name": "c"}, {"near": near}), code="unknown_template")
    assert refused.message == "The template c does not exist. Did you mean a or b?"
    quoted = SentenceAnswer.of(quoting("why.failed", refused)).model_dump()
    assert quoted["values"] == {"problem": "unknown_template", "said": refused.message}
    told = {"code": "refused.near", "values": {"first": "a", "last": "b"}, "parts": {}}
    assert quoted["parts"]["said"]["parts"]["near"] == {**told, "text": "a or b"}
    assert quoting("why.failed", InvalidInput("Of old.", code="x")).parts == {}


def test_a_sentence_and_its_remedy_are_filled_in() -> None:
    full = Sentence("disk.full", {"path": "/srv", "purpose": "data", "free": "1", "total": "100", "share": "1.0"})
    assert full.text == "The disk of /srv (data) has 1 GB of 100 GB left (1.0 %)."
    assert full.remedy.startswith("Make room on the disk of /srv;")
    assert Sentence("database.problem", {"problem": "x", "said": "It {is} so."}).text == "It {is} so."
    assert Sentence("database.ok").remedy == ""
    assert set(REMEDIES) <= set(SENTENCES)


def test_a_workspace_has_one_name_in_german() -> None:
    for path in TEXTS.glob("*de.ts"):
        assert not re.findall(r"Arbeitsumgebung|Arbeitsbereich", path.read_text()), path
