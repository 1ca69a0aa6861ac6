"""Hiding of what is a secret by its form, wherever it stands: our credentials, private keys, passwords in addresses."""

from __future__ import annotations

import re

HIDDEN = "•••"
_SECRET_TEXT = re.compile(
    r"nixws_[A-Za-z0-9_-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----.*|(?<=://)[^/@\s]*(?=@)", re.DOTALL
)


def masked_text(text: str) -> str:
    """Return a text without secrets that can be told by their form."""
    return _SECRET_TEXT.sub(HIDDEN, text)
