"""A request and its answer, for those who load none of SCIM's libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """A request, of which the credential was looked at."""

    method: str
    base_url: str
    path: str
    """Below ``base_url``."""
    query: Mapping[str, str]
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    status: int
    body: dict[str, Any] | None
    headers: Mapping[str, str]
