"""The resources that providers see: their attributes, and what the service says it is able to do."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    External,
    Filter,
    InvalidValueException,
    Meta,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models import User as CoreUser
from scim2_models.policy import default_comparison_key

MOST_RESULTS = 200
"""Resources of one page."""
LONGEST_TEXT = 254
"""Characters of a name or an id of a provider's."""
MOST_MEMBERS = 1000
"""Members that one request adds to a group, or removes from it."""
MOST_OPERATIONS = 50
"""Operations of one patch; Entra sends one, Okta some."""
MOST_REMOVED = 50
"""Entries that one patch removes by their value; each is a condition of a filter."""
ROLES = ("admin", "member", "auditor")


class Role(ComplexAttribute):
    """A role in the service."""

    value: str | None = Field(None, examples=list(ROLES))
    display: str | None = None
    type: str | None = None
    primary: bool | None = None


class User(Resource[Any]):
    """The part of the core schema's user that is kept; what else a provider sends is ignored."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: CoreUser.Name | None = None  # type: ignore[valid-type]
    display_name: str | None = None
    active: bool | None = None
    emails: list[CoreUser.Emails] | None = None  # type: ignore[valid-type]
    roles: list[Role] | None = None
    groups: Annotated[list[CoreUser.Groups] | None, Mutability.read_only] = None  # type: ignore[valid-type]


class Member(ComplexAttribute):
    """A person in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class Group(Resource[Any]):
    """A group of people; groups are in no groups."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[Member] | None = None


def provider() -> ScimProvider:
    """Return the description of the service."""
    config = ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="API token",
                description="Authorization: Bearer TOKEN, a token with the scope admin of a service account",
                spec_uri=Reference[External]("https://datatracker.ietf.org/doc/html/rfc6750"),
                primary=True,
            )
        ],
    )
    types = [ResourceType.from_resource(User), ResourceType.from_resource(Group)]
    # As Entra and Okta send: attributes of theirs, removals by value, filters that describe a new entry.
    policy = ScimPolicy(
        unknown=ScimPolicy.Unknown.ignore,
        remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    )
    return ScimProvider([User, Group], types, config, policy)


@dataclass(frozen=True, slots=True)
class Act:
    """One request that changes something, for the audit log."""

    actor: str
    request_id: str
    now: datetime


def key_of(name: str) -> str:
    """Return a name as names are compared: without the case of its letters."""
    binding: Any = _Compared
    return default_comparison_key(binding, name)


class _Compared:
    case_exact = False


def readable(name: str, value: str | None, longest: int = LONGEST_TEXT) -> str | None:
    """Return a text of a provider's; ``InvalidValueException`` for one that is too long or not printable."""
    if value is not None and (len(value) > longest or not value.isprintable()):
        raise InvalidValueException(detail=f"{name} has at most {longest} printable characters")
    return value


def meta_of(kind: str, created: datetime, changed: datetime, stated: object) -> Meta:
    """Return the metadata; the version is a digest of all that is ``stated``, however it was changed."""
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True, default=str).encode()).hexdigest()
    return Meta(resource_type=kind, created=created, last_modified=changed, version=f'W/"{digest[:24]}"')
