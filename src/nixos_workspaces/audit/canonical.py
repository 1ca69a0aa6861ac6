"""Canonical JSON (RFC 8785): one sequence of bytes for one value, so that it can be hashed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import orjson

_LARGEST = (1 << 53) - 1
"""The largest integer that every reader of JSON knows exactly."""
_FIXED_DIGITS = 21
"""ECMAScript writes numbers below 10^21 without an exponent, and those from 10^-6 on."""
_LEAST_POINT = -6


def canonical(value: object) -> bytes:
    """Return ``value`` as canonical JSON in UTF-8.

    ``ValueError`` for what has no such form: numbers beyond 2^53 or not finite, lone surrogates, keys that are no text;
    ``TypeError`` for objects that are not of JSON.
    """
    match value:
        case None | bool() | str():
            return _plain(value)
        case int():
            if abs(value) > _LARGEST:
                raise ValueError(f"{value} is not exact in JSON")
            return b"%d" % value
        case float():
            return _number(value).encode()
        case Mapping():
            return b"{" + b",".join(map(_member, sorted(value.items(), key=_order))) + b"}"
        case list() | tuple():
            return b"[" + b",".join(map(canonical, value)) + b"]"
        case _:
            raise TypeError(f"{type(value).__name__} is not of JSON")


def _plain(value: object) -> bytes:
    """Return what orjson writes as RFC 8785 wants it: the least escapes, in lower case."""
    try:
        return orjson.dumps(str(value) if isinstance(value, str) else value)
    except TypeError as wrong:
        raise ValueError("text with a lone surrogate has no form in UTF-8") from wrong


def _member(item: tuple[str, object]) -> bytes:
    return _plain(item[0]) + b":" + canonical(item[1])


def _order(item: tuple[object, object]) -> bytes:
    """Return the key's UTF-16 units, by which members are sorted."""
    if not isinstance(item[0], str):
        raise ValueError("a key is no text")  # noqa: TRY004 - as of every value without a form
    return item[0].encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """Return a number as ECMAScript's ``Number.prototype.toString`` writes it: its shortest exact digits."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - the test for NaN
        raise ValueError("a number that is not finite")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if len(text) <= point <= _FIXED_DIGITS:
        text = text.ljust(point, "0")
    elif 0 < point <= _FIXED_DIGITS:
        text = f"{text[:point]}.{text[point:]}"
    elif _LEAST_POINT < point <= 0:
        text = f"0.{'0' * -point}{text}"
    else:
        rest = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{rest}e{point - 1:+d}"
    return f"-{text}" if sign else text
