"""Every rule about names, once: workspaces, their ids, templates, packages, ports.

The patterns are for documents (OpenAPI, messages to other programs) and stand between ``^`` and ``$``; ask the
functions whether a text follows a rule.
"""

from __future__ import annotations

import re

NAME_PATTERN = r"^(?!ws-)(?![0-9]+$)(?!create$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A workspace's name: it becomes the host name, is no number (an address), no id and no path of the API."""
ID_PATTERN = r"^ws-[a-z0-9]{1,29}$"
REFERENCE_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A workspace in a path, by id or by name; the rule of a host name's label, too (RFC 1123)."""
TEMPLATE_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
PACKAGE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_'-]*(\.[A-Za-z0-9_][A-Za-z0-9_'-]*){0,4}$"
"""A path of attributes of a package set (design section 4)."""
LONGEST_PACKAGE = 128
VISIBLE_PATTERN = r"^[\x21-\x7e]+$"
"""Visible ASCII: idempotency keys, encoded paths."""
LONGEST_IDEMPOTENCY_KEY = 128
LOWEST_PORT, HIGHEST_PORT = 1, 65_535


def _rule(pattern: str) -> re.Pattern[str]:
    """Return a pattern for ``fullmatch``: ``$`` alone would let a line end pass."""
    return re.compile(pattern.removeprefix("^").removesuffix("$"))


_NAME = _rule(NAME_PATTERN)
_ID = _rule(ID_PATTERN)
_LABEL = _rule(REFERENCE_PATTERN)
_TEMPLATE = _rule(TEMPLATE_PATTERN)
_PACKAGE = _rule(PACKAGE_PATTERN)
_VISIBLE = _rule(VISIBLE_PATTERN)


def is_workspace_name(text: str) -> bool:
    """Tell whether a workspace may have this name."""
    return _NAME.fullmatch(text) is not None


def is_workspace_id(text: str) -> bool:
    """Tell whether this is a workspace's id, and so safe as a file's name."""
    return _ID.fullmatch(text) is not None


def is_reference(text: str) -> bool:
    """Tell whether this can be a workspace's id or name."""
    return _LABEL.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Tell whether this is one label of a host name, in lower case."""
    return _LABEL.fullmatch(text) is not None


def is_template_name(text: str) -> bool:
    """Tell whether a template may have this name."""
    return _TEMPLATE.fullmatch(text) is not None


def is_package_name(text: str) -> bool:
    """Tell whether this can be a path of attributes of a package set."""
    return len(text) <= LONGEST_PACKAGE and _PACKAGE.fullmatch(text) is not None


def is_idempotency_key(text: str) -> bool:
    """Tell whether a client may name a request so."""
    return len(text) <= LONGEST_IDEMPOTENCY_KEY and _VISIBLE.fullmatch(text) is not None


def is_port(number: int) -> bool:
    """Tell whether this is a TCP port; ``True`` is none."""
    return not isinstance(number, bool) and LOWEST_PORT <= number <= HIGHEST_PORT
