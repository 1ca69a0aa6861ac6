"""The documentation says what the program does: generated pages are fresh, links lead somewhere, commands exist."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def generator() -> dict[str, str]:
    """Return what the generator would write now, by file name."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: written() for name, written in module.REFERENCES.items()}


def test_generated_references_are_fresh() -> None:
    written = generator()
    assert {name: (ROOT / "docs" / name).read_text() for name in written} == written


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [target for target in targets if ":" not in target and not (page.parent / target).exists()] == []


def test_every_verb_that_the_documentation_names_exists() -> None:
    named = {
        verb for page in PAGES for verb in re.findall(r"nixws (?:--data \S+ )?([a-z]+(?:-[a-z]+)*)", page.read_text())
    }
    shown = subprocess.run(
        [sys.executable, "-m", "nixos_workspaces.cli.main", "--help"], capture_output=True, text=True, check=True
    ).stdout
    known = set(re.findall(r"^[ │]+([a-z]+(?:-[a-z]+)*)  ", shown, re.MULTILINE))
    assert named
    assert named - known == set()


def test_every_decision_names_its_guard_and_the_guard_exists() -> None:
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        guards = re.findall(r"`((?:tests|benchmarks)/[^`]+|dev\.py)`", page.read_text())
        assert guards, page.name
        assert [guard for guard in guards if not (ROOT / guard).exists()] == [], page.name


def test_every_file_that_the_documentation_names_exists() -> None:
    """Rules for contributors name files; a file that was moved makes such a rule untrue."""
    page = (ROOT / "docs" / "contributing.md").read_text()
    named = re.findall(r"`([A-Za-z_./-]+/[A-Za-z_./-]+\.(?:py|nix|tsx|ts|md))`", page)
    homes = (ROOT, ROOT / "src" / "nixos_workspaces")
    written_by_hand = {name for name in named if not re.search(r"NOUN|NAME|NNNN", name)}
    assert written_by_hand
    assert [name for name in sorted(written_by_hand) if not any((home / name).exists() for home in homes)] == []
