"""The bases of the wire types: units, names, strictness; see the package's docstring."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

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

MIB_PER_GB = 1024


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


def _mib(gigabytes: float) -> float:
    """Round to whole MiB, as they are kept."""
    return round(gigabytes * MIB_PER_GB) / MIB_PER_GB


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


class Answer(BaseModel):
    """Base of the types that the API writes; clients must ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True)
