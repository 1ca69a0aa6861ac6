"""Strict JSON: a document that two readers could understand differently is refused, with the field to blame.

Refused besides syntax errors: ``NaN`` and infinities (also by overflow, ``1e999``), duplicate keys, unpaired
surrogates, invalid UTF-8, a byte order mark, numbers with absurdly many digits, and nesting beyond ``MAX_DEPTH``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from nixos_workspaces.web.http.errors import Refusal

MAX_DEPTH = 16
MAX_DIGITS = 40
_EXACT = 2.0**53
"""Integers up to here are exact as floats."""


@dataclass(frozen=True, slots=True)
class _Bad:
    """Stands in the parsed tree where something was refused, so that the walk can tell the path to it."""

    why: str


def parse(raw: bytes) -> Any:
    """Return the value that ``raw`` states; raise ``Refusal`` (``malformed_json``) with the field otherwise."""
    if not raw.strip():
        raise Refusal("malformed_json", "The body is empty; send a JSON object.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise Refusal("malformed_json", f"The body is not UTF-8: byte {wrong.start} cannot be read.") from wrong
    if text.startswith("\ufeff"):
        raise Refusal("malformed_json", "The body starts with a byte order mark; send plain UTF-8.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=lambda name: _Bad(f"{name} is not a JSON number"),
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as wrong:
        raise Refusal(
            "malformed_json", f"The body is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}."
        ) from wrong
    except RecursionError as deep:
        raise Refusal("malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.") from deep
    _check(value, "", 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, marking keys that stand in it twice."""
    built: dict[str, Any] = {}
    for key, value in pairs:
        built[key] = _Bad("the key is given twice") if key in built else value
    return built


def _float(text: str) -> float | _Bad:
    """Read a number with a fraction or exponent; JSON knows one kind of number, so that ``2.0`` is the integer 2."""
    value = float(text)
    if value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value if math.isfinite(value) else _Bad("the number is too large")


def _integer(text: str) -> int | _Bad:
    """Read a whole number."""
    return int(text) if len(text) <= MAX_DIGITS else _Bad("the number has too many digits")


def _check(value: Any, field: str, depth: int) -> None:
    """Raise for the first refused thing in the tree; ``field`` is the top-level key it lies under."""
    named = field or None
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        raise Refusal("malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.", field=named)
    match value:
        case _Bad():
            raise Refusal("malformed_json", f"The body is not strict JSON: {value.why}.", field=named)
        case str():
            _check_text(value, named)
        case dict():
            for key, item in value.items():
                _check_text(key, None)
                _check(item, field or key, depth + 1)
        case list():
            for item in value:
                _check(item, field, depth + 1)


def _check_text(text: str, field: str | None) -> None:
    """Refuse half of a surrogate pair: no encoding can carry it on."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal("malformed_json", "A string holds an unpaired surrogate.", field=field)
