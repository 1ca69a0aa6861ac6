"""The texts of the browser UI by their keys, in either language, as its catalogues have them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_CATALOGUES = Path(__file__).resolve().parents[2] / "ui/src/shared/i18n"
_TEXT = re.compile(r'^  "([\w.-]+)":\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'),$', re.MULTILINE)


@cache
def _catalogue(language: str) -> dict[str, str]:
    # English ones that only some pages need lie beside those that all do.
    files = sorted(_CATALOGUES.glob(f"*.{language}.ts"))
    source = "".join(file.read_text() for file in [_CATALOGUES / f"{language}.ts", *files])
    found = {key: text[1:-1] if text[0] == "'" else json.loads(text) for key, text in _TEXT.findall(source)}
    assert len(found) > 100, found
    return found


class Words:
    """The texts of the UI in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **fields: object) -> str:
        """Return one text with its values filled in."""
        text = _catalogue(self.language)[key]
        for name, value in fields.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text
