"""Passkeys of people, and the address that they are for: the records and their rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

LONGEST_PASSKEY_NAME = 64
LONGEST_CREDENTIAL_ID = 1023
"""Bytes (WebAuthn, section 4)."""
MOST_PASSKEYS = 20
"""Of one person."""


@dataclass(frozen=True, slots=True)
class Site:
    """An address of the service: passkeys are made for its host name."""

    origin: str
    """Scheme, host and port, as browsers write an origin."""
    is_fixed: bool = False
    """It is the setting's, and not what the request itself says."""

    @property
    def rp_id(self) -> str:
        """The relying party's id: the host name. Empty where it is an address in numbers, which has no passkeys."""
        try:
            name = urlsplit(self.origin).hostname or ""
        except ValueError:
            return ""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name
        return ""


@dataclass(frozen=True, slots=True)
class Passkey:
    """A registered passkey."""

    id: str
    user_id: str
    name: str
    credential_id: str
    """By which the authenticator knows it: base64url."""
    public_key: bytes = field(repr=False)
    """A COSE key."""
    sign_count: int
    """The authenticator's count of uses when it was last used; 0 where it keeps none."""
    rp_id: str
    created_at: datetime
    last_used_at: datetime | None = None


def usable(passkeys: Iterable[Passkey], site: Site) -> tuple[Passkey, ...]:
    """Return the passkeys by which one may get in: those for another name lead nowhere any more.

    Where each request says the name, any of them counts, or another name would do away with them.
    """
    return tuple(one for one in passkeys if not site.is_fixed or one.rp_id == site.rp_id)


def is_passkey_name(text: str) -> bool:
    """Tell whether a text can be the name of a passkey."""
    return bool(text.strip()) and len(text) <= LONGEST_PASSKEY_NAME and text.isprintable()


def went_back(before: int, after: int) -> bool:
    """Tell whether a count of uses says that there are two of an authenticator (WebAuthn, section 6.1.1)."""
    return (before > 0 or after > 0) and after <= before
