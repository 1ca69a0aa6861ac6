"""The bases of the wire types: units, names, strictness; see the package's docstring."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nixos_workspaces.errors import Said
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.names import (
    HIGHEST_PORT,
    LONGEST_PACKAGE,
    LOWEST_PORT,
    NAME_PATTERN,
    PACKAGE_PATTERN,
    TEMPLATE_PATTERN,
    is_package_name,
    is_template_name,
    is_workspace_name,
)
from nixos_workspaces.model.network import NetworkMode
from nixos_workspaces.model.workspace import MAX_PAGE
from nixos_workspaces.schemas.problems import no_such

MIB_PER_GB = 1024
_DIGITS = re.compile(r"-?[0-9]{1,9}")


def _name(value: str) -> str:
    if not is_workspace_name(value):
        raise PydanticCustomError(
            "name",
            "a name has 1 to 63 lower-case letters, digits and hyphens, begins and ends with a letter or digit, "
            "is not a number and does not begin with ws-",
        )
    return value


def _template(value: str) -> str:
    if not is_template_name(value):
        raise PydanticCustomError("template", "this is not the name of a template; GET /api/nixos/templates lists them")
    return value


def _package(value: str) -> str:
    if not is_package_name(value):
        raise PydanticCustomError(
            "package",
            "{shown} is not the name of a package, such as git or python3Packages.numpy",
            {"shown": repr(value[:64])},
        )
    return value


def _whole_number(text: object) -> object:
    """Read digits only: pydantic alone would take ``1_0``, `` 1`` and ``1.0``."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise PydanticCustomError("whole_number", "this is not a whole number")
    return text


def _mib(gigabytes: float) -> float:
    """Round to whole MiB, as they are kept."""
    return round(gigabytes * MIB_PER_GB) / MIB_PER_GB


Mode = Annotated[NetworkMode, Field(strict=False)]
"""A mode of a network, by its word."""
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(_whole_number)]
"""How many of a list are wanted, as a query tells it."""
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        json_schema_extra={"pattern": NAME_PATTERN},
        description="Unique; becomes the host name.",
    ),
    AfterValidator(_name),
]
TemplateName = Annotated[
    str,
    Field(min_length=1, max_length=63, json_schema_extra={"pattern": TEMPLATE_PATTERN}),
    AfterValidator(_template),
]
PackageName = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_PACKAGE, json_schema_extra={"pattern": PACKAGE_PATTERN}),
    AfterValidator(_package),
]
Cores = Annotated[
    float,
    Field(ge=0.25, le=1024, allow_inf_nan=False, description="Cores; fractions from 0.25."),
    AfterValidator(lambda cores: round(cores, 3)),
]
MemoryGB = Annotated[
    float,
    Field(ge=0.25, le=65_536, allow_inf_nan=False, description="GB of memory; fractions from 0.25, kept in whole MiB."),
    AfterValidator(_mib),
]
StorageGB = Annotated[
    float,
    Field(
        ge=0.25, le=1_048_576, allow_inf_nan=False, description="GB of storage; fractions from 0.25, kept in whole MiB."
    ),
    AfterValidator(_mib),
]
Packages = Annotated[list[PackageName], Field(max_length=256, description="Order and duplicates do not matter.")]
Ports = Annotated[
    list[Annotated[int, Field(ge=LOWEST_PORT, le=HIGHEST_PORT)]],
    Field(max_length=64, description="TCP ports that the workspace's own firewall opens besides 22."),
]

Time = Annotated[
    datetime,
    PlainSerializer(
        lambda moment: moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str
    ),
    Field(json_schema_extra={"format": "date-time"}),
]
"""RFC 3339 in UTC, with milliseconds."""


_DURATION_PATTERN = "^[0-9]{1,6}[smhd]$"
_DURATION = re.compile(_DURATION_PATTERN.removeprefix("^").removesuffix("$"))
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST_DURATION = timedelta(days=3660)


def duration(text: object) -> object:
    """Read ``90s``, ``10m``, ``1h`` or ``7d``; leave anything but a text to the type's own check."""
    if not isinstance(text, str):
        return text
    found = timedelta()
    if _DURATION.fullmatch(text):
        found = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    if not timedelta() < found <= _LONGEST_DURATION:
        raise PydanticCustomError("duration", "this is no time such as 90s, 10m, 1h or 7d, of ten years at most")
    return found


def _moment(text: object) -> object:
    """Read an RFC 3339 time with its zone."""
    if not isinstance(text, str):
        return text
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901  refused below, as every time without a zone
    if found.tzinfo is None:
        raise PydanticCustomError("moment", "this is no time with its zone, such as 2030-01-31T12:00:00Z")
    try:
        return found.astimezone(UTC)
    except OverflowError:  # on the first or last day of all, by the zone
        return found.replace(tzinfo=UTC)


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["10m", "1h"]}),
]
"""A length of time, as a whole number with a unit."""
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time that the API reads: RFC 3339, with a zone."""


def to_bytes(gigabytes: float) -> int:
    """Return a size of the wire in bytes, in whole MiB."""
    return round(gigabytes * MIB_PER_GB) * (BYTES_PER_GB // MIB_PER_GB)


def to_gb(size: int) -> float:
    """Return a size in bytes as the wire has it."""
    return round(size / BYTES_PER_GB, 3)


def absent() -> Any:
    """Stand for a field that was not given, without making ``null`` a valid value of it."""
    return None


class Request(BaseModel):
    """Base of the types that the API reads."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_field(cls, given: Any) -> Any:
        """Refuse unknown fields before pydantic does, which does not say what there is instead."""
        if isinstance(given, dict):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            for name in given:
                if name not in known:
                    said = no_such("field", str(name), known)
                    raise PydanticCustomError("unknown_field", "{said}", {"said": said, "field": str(name)})
        return given


class Answer(BaseModel):
    """Base of the types that the API writes; clients must ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True)


class SentenceAnswer(Answer):
    """One sentence by its code, with what is filled in."""

    code: str = Field(description="Stable, for programs.")
    values: dict[str, str]
    parts: dict[str, SentenceAnswer] = Field(
        default_factory=dict, description="Values that are sentences themselves; in English they stand in `values` too."
    )
    text: str = Field(default_factory=str, description="The sentence in English.")

    @classmethod
    def of(cls, sentence: Said) -> Self:
        """Convert."""
        english = {name: part.text for name, part in sentence.parts.items()}
        parts = {name: SentenceAnswer.of(part) for name, part in sentence.parts.items()}
        return cls(code=sentence.code, values={**sentence.values, **english}, parts=parts, text=sentence.text)
