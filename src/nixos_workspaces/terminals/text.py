"""Cutting bytes between characters."""

from __future__ import annotations

_CONTINUATION = 0x80
_CONTINUATION_MASK = 0xC0
_LONGEST = 4


def whole_characters(data: bytes, end: int) -> int:
    """Return where to cut at ``end`` or up to 3 bytes before, so that no UTF-8 character is split.

    Only the beginning of a character is held back. Bytes that are not UTF-8 never are: a decoder shows them as
    replacement characters wherever they are cut.
    """
    for back in range(1, min(_LONGEST, end + 1)):
        byte = data[end - back]
        if byte & _CONTINUATION_MASK == _CONTINUATION:
            continue
        needed = 1 if byte < 0xC2 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 1  # noqa: PLR2004
        return end - back if needed > back and _may_begin(data[end - back : end]) else end
    return end


def _may_begin(beginning: bytes) -> bool:
    """Tell whether some character begins with these bytes."""
    first, *rest = beginning
    if not rest:
        return True
    bounds = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}.get(first, (0x80, 0xBF))
    return bounds[0] <= rest[0] <= bounds[1]
