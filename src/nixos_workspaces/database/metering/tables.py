"""The tables of metering, beside those of ``database.schema``."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from nixos_workspaces.database.schema import metadata
from nixos_workspaces.model.metering.records import METERS

# Closed intervals: added, never changed. Their seals stand in the audit log.
meter_records = Table(
    "meter_records",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("workspace_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    # Microseconds since 1970.
    Column("begin_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("owner_id", String(64), nullable=False),
    # Ids, each between spaces.
    Column("groups", Text, nullable=False),
    Column("template", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    *(Column(meter.value, BigInteger, nullable=False) for meter in METERS),
    Column("hash", LargeBinary(32), nullable=False),
    Index("ix_meter_records_number", "workspace_id", "number", unique=True),
    Index("ix_meter_records_begin", "begin_us"),
    Index("ix_meter_records_end", "end_us"),
)

# The open interval of each workspace, as of its last checkpoint.
meter_intervals = Table(
    "meter_intervals",
    metadata,
    Column("workspace_id", String(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# Prices in millionths of the currency, each list valid from an instant until the next.
price_lists = Table(
    "price_lists",
    metadata,
    Column("valid_from_us", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("currency", String(3), nullable=False),
    *(Column(meter.value, BigInteger, nullable=False) for meter in METERS),
)

budgets = Table(
    "budgets",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("subject_id", String(64), primary_key=True),
    Column("amount_micro", BigInteger, nullable=False),
    Column("at_limit", String(16), nullable=False),
    # In percent.
    Column("thresholds", JSON, nullable=False),
    # Of the month that was warned of last, with the thresholds that were told.
    Column("month", String(7), nullable=False),
    Column("told", JSON, nullable=False),
    # The month in which it was used up.
    Column("reached", String(7), nullable=False),
)
