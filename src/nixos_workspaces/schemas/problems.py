"""Sentences about requests that do not follow their schema: ours for whatever pydantic finds, in words for users."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

_LONGEST_NAME = 64
_MOST_SENTENCES = 5
_PARTS_OF_A_POINTER = 3

_PREDICATES: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "has to be a text",
    "string_too_short": "has at least {min_length} characters",
    "string_too_long": "has at most {max_length} characters",
    "string_pattern_mismatch": "has characters that are not taken here",
    "bool_type": "has to be true or false",
    "bool_parsing": "has to be true or false",
    "int_type": "has to be a whole number",
    "int_parsing": "has to be a whole number",
    "int_parsing_size": "has to be a whole number of fewer digits",
    "int_from_float": "has to be a whole number",
    "float_type": "has to be a number",
    "float_parsing": "has to be a number",
    "finite_number": "has to be a finite number",
    "greater_than": "has to be more than {gt}",
    "greater_than_equal": "has to be at least {ge}",
    "less_than": "has to be less than {lt}",
    "less_than_equal": "has to be at most {le}",
    "list_type": "has to be a list",
    "too_short": "has at least {min_length} items",
    "too_long": "has at most {max_length} items",
    "dict_type": "has to be an object",
    "model_type": "has to be an object",
    "model_attributes_type": "has to be an object",
    "enum": "has to be one of {expected}",
    "literal_error": "has to be one of {expected}",
}
"""The predicate of a sentence, by the name that pydantic has for the finding."""
_ANY_OTHER = "has a value that is not taken here"
_PYDANTIC = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""Findings with a sentence of pydantic's; all others have one of ours."""


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence about a name that is not known: with the nearest one that is, or else with all."""
    names = sorted(known)
    shown = name[:_LONGEST_NAME] if name.isprintable() else ascii(name[:_LONGEST_NAME])
    near = difflib.get_close_matches(name[:_LONGEST_NAME].lower(), names, 1)
    if near:
        return f"There is no {kind} `{shown}`; did you mean `{near[0]}`?"
    return f"There is no {kind} `{shown}`; " + (f"there are {', '.join(names)}." if names else "none is taken here.")


def plain_field(name: str) -> str | None:
    """Return a client's name of a field as an error may carry it; None for one that is not fit to be shown."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else None


def described(problems: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """Return sentences about pydantic's findings, and the field of the first.

    The field is one of the request's own (``packages``, not ``packages.3``); the sentence says which item.
    """
    sentences = [_sentence(problem) for problem in problems[:_MOST_SENTENCES]]
    field = next((_field(problem) for problem in problems), None)
    return " ".join(sentences), field


def _field(problem: Mapping[str, Any]) -> str | None:
    """Return the request's own field that a finding is about; in an item of a list of objects a pointer to its field.

    ``packages`` stays ``packages``, whichever it is; ``/allow/3/cidr`` says which (RFC 6901).
    """
    where = _where(problem)
    if len(where) >= _PARTS_OF_A_POINTER and where[1].isdigit():
        return plain_field("/" + "/".join(where[:_PARTS_OF_A_POINTER]))
    named = where[0] if where else problem.get("ctx", {}).get("field")
    return None if named is None else plain_field(str(named))


def _where(problem: Mapping[str, Any]) -> list[str]:
    """Return the way to a value below the body, the query or the headers."""
    return [str(part) for part in problem["loc"][1:] if not str(part).startswith("function-")]


def _sentence(problem: Mapping[str, Any]) -> str:
    """Return a finding as one sentence."""
    dotted = ".".join(_where(problem))
    kind, context = str(problem["type"]), problem.get("ctx", {})
    if kind in _PYDANTIC:
        predicate = _PREDICATES.get(kind, _ANY_OTHER).format(**{name: _shown(value) for name, value in context.items()})
        subject = dotted or f"The {problem['loc'][0]}"
        return f"{subject} {predicate}."
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message if message.endswith("?") else f"{message.rstrip('.')}."
    return f"{dotted}: {message}" if dotted else message


def _shown(value: object) -> str:
    """Return a bound as it stands in a sentence."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
