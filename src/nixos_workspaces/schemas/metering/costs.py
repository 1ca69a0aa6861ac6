"""The wire types of costs and prices. Money is a decimal number with six places, as a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.metering.costs import CostSum, Forecast, Grouping, money, to_moment, to_us
from nixos_workspaces.model.metering.prices import UNITS, PriceBook, PriceList, book_of
from nixos_workspaces.model.metering.records import METERS, MICRO, Meter
from nixos_workspaces.schemas.wire import Answer, Moment, Name, Request, Time, absent
from nixos_workspaces.schemas.workspaces import CreateRequest

_AMOUNT_PATTERN = "^[0-9]{1,9}([.][0-9]{1,6})?$"
_AMOUNT = re.compile(_AMOUNT_PATTERN.removeprefix("^").removesuffix("$"))
_CURRENCY_PATTERN = "^[A-Z]{3}$"
_MOST_LISTS = 500
_MONTH = "^20[0-9]{2}-(0[1-9]|1[0-2])$"
_NAMES = "|".join(Grouping)
_GROUPINGS = f"^({_NAMES})(,({_NAMES})){{0,4}}$"


def read_money(text: object) -> object:
    """Read an amount into millionths; leave anything but a text to the type's own check."""
    if not isinstance(text, str):
        return text
    if not _AMOUNT.fullmatch(text):
        raise PydanticCustomError("money", "this is no amount such as 12.50, of at most six places")
    whole, _, part = text.partition(".")
    return int(whole) * MICRO + int(part.ljust(6, "0") or 0)


Micro = Annotated[
    int,
    BeforeValidator(read_money),
    WithJsonSchema({"type": "string", "pattern": _AMOUNT_PATTERN, "examples": ["12.50"]}),
]
"""An amount of money, in millionths."""
_Money = Annotated[str, Field(description="With six places.", examples=["12.500000"])]


class CostParameters(BaseModel):
    """Query of costs."""

    window: Annotated[
        Literal["today", "7d", "30d", "month", "last_month"],
        Field(description="Whole days in UTC, up to now; month: the calendar month."),
    ] = "month"
    aggregate: Annotated[
        str,
        Field(
            pattern=_GROUPINGS,
            description="workspace, owner, group, template, day, or several with commas between.",
            examples=["workspace", "owner,day"],
        ),
    ] = "workspace"
    include_idle: Annotated[
        Literal["true", "false"], Field(description="Tell what capacity cost that nobody had reserved.")
    ] = "false"
    share_idle: Annotated[
        Literal["true", "false"], Field(description="Share it among the items, in proportion to their costs.")
    ] = "false"

    @property
    def groupings(self) -> tuple[Grouping, ...]:
        """The properties to sum by."""
        return tuple(Grouping(one) for one in dict.fromkeys(self.aggregate.split(",")))


class ExportParameters(BaseModel):
    """Query of an export."""

    month: Annotated[str, Field(pattern=_MONTH, examples=["2026-11"])]
    format: Literal["csv", "focus-1.0", "focus-1.3", "focus-1.4"] = "csv"


class EstimateRequest(CreateRequest):
    """A workspace that is not made: as it is given to create it, with or without its name."""

    name: Name = Field(default_factory=absent)


class UsageAnswer(Answer):
    """Quantities; GB are 2^30 bytes, a month is 730 hours."""

    cpu_hours_used: float
    cpu_hours_reserved: float
    memory_gb_hours_used: float
    memory_gb_hours_reserved: float
    storage_gb_months: float
    snapshot_gb_months: float
    egress_gb: float


class CostItem(Answer):
    """The costs of what agrees in the properties that were asked for; the others are null."""

    workspace_id: str | None
    workspace: str | None = Field(description="Its name; the id where there is none any more.")
    owner_id: str | None
    owner: str | None
    group_id: str | None = Field(description="Empty: of owners in no group. A workspace counts in each of them.")
    group: str | None
    template: str | None
    day: str | None = Field(examples=["2026-11-29"])
    cpu_cost: _Money
    memory_cost: _Money
    storage_cost: _Money
    snapshot_cost: _Money
    network_cost: _Money
    idle_cost: _Money = Field(description="Its share of what was idle.")
    total_cost: _Money
    total_efficiency: float | None = Field(description="Part of the reserved CPU and memory that was used.")
    usage: UsageAnswer

    @classmethod
    def of(
        cls, found: CostSum, by: Sequence[Grouping], names: Mapping[str, Mapping[str, str]], used: float | None
    ) -> Self:
        """Convert."""
        values: dict[str, str | None] = dict(zip(by, found.key, strict=True))
        cost = dict(zip(METERS, found.costs, strict=True))
        amounts = [round(float(one / unit), 6) for one, unit in zip(found.quantities, UNITS, strict=True)]

        def named(grouping: Grouping, kind: str) -> str | None:
            value = values.get(grouping)
            return None if value is None else names[kind].get(value, value)

        return cls(
            workspace_id=values.get(Grouping.WORKSPACE),
            workspace=named(Grouping.WORKSPACE, "workspace"),
            owner_id=values.get(Grouping.OWNER),
            owner=named(Grouping.OWNER, "user"),
            group_id=values.get(Grouping.GROUP),
            group=named(Grouping.GROUP, "group"),
            template=values.get(Grouping.TEMPLATE),
            day=values.get(Grouping.DAY),
            cpu_cost=money(cost[Meter.CPU_USED] + cost[Meter.CPU_RESERVED]),
            memory_cost=money(cost[Meter.MEMORY_USED] + cost[Meter.MEMORY_RESERVED]),
            storage_cost=money(cost[Meter.STORAGE]),
            snapshot_cost=money(cost[Meter.SNAPSHOTS]),
            network_cost=money(cost[Meter.EGRESS]),
            idle_cost=money(found.idle),
            total_cost=money(found.total),
            total_efficiency=used,
            usage=UsageAnswer(**dict(zip(UsageAnswer.model_fields, amounts, strict=True))),
        )


class ForecastAnswer(Answer):
    """The costs of this month at its end: nine of ten such months lie between low and high."""

    low: _Money
    expected: _Money
    high: _Money

    @classmethod
    def of(cls, forecast: Forecast) -> Self:
        """Convert."""
        return cls(low=money(forecast.low), expected=money(forecast.expected), high=money(forecast.high))


class CostsAnswer(Answer):
    """Costs."""

    currency: str = Field(description="Empty where there are no prices: only usage is told then.")
    begin: Time
    end: Time = Field(description="Exclusive; the items reach up to now.")
    items: list[CostItem] = Field(description="The dearest first.")
    total: CostItem
    idle_cost: str | None = Field(description="Null where it was not asked for, or is not the caller's to see.")
    now_per_hour: _Money
    month_so_far: _Money
    forecast: ForecastAnswer


class EstimateDetail(Answer):
    """The costs of an hour and of a month of 730 hours, from using nothing to using all that it may."""

    currency: str = Field(description="Empty where there are no prices.")
    hour_idle: _Money
    hour_busy: _Money
    hour_stopped: _Money
    month_idle: _Money
    month_busy: _Money
    month_stopped: _Money


class EstimateAnswer(Answer):
    """An estimate."""

    estimate: EstimateDetail


class PriceListBody(Request):
    """Prices from an instant on, until the next list begins."""

    valid_from: Moment
    cpu_hour_used: Micro = Field(default_factory=int)
    cpu_hour_reserved: Micro = Field(default_factory=int)
    memory_gb_hour_used: Micro = Field(default_factory=int)
    memory_gb_hour_reserved: Micro = Field(default_factory=int)
    storage_gb_month: Micro = Field(default_factory=int)
    snapshot_gb_month: Micro = Field(default_factory=int)
    egress_gb: Micro = Field(default_factory=int)


_PRICES = tuple(PriceListBody.model_fields)[1:]


class PriceBookRequest(Request):
    """The whole price book; without lists there are no prices."""

    currency: Annotated[str, Field(pattern=_CURRENCY_PATTERN, examples=["EUR"])]
    prices: Annotated[list[PriceListBody], Field(max_length=_MOST_LISTS)]

    def to_model(self) -> PriceBook:
        """Convert; of two lists from the same time on the later one holds."""
        found = {to_us(one.valid_from): tuple(getattr(one, name) for name in _PRICES) for one in self.prices}
        return book_of(self.currency, [PriceList(at, prices) for at, prices in found.items()])


class PriceListAnswer(Answer):
    """Prices from an instant on."""

    valid_from: Time
    cpu_hour_used: _Money
    cpu_hour_reserved: _Money
    memory_gb_hour_used: _Money
    memory_gb_hour_reserved: _Money
    storage_gb_month: _Money
    snapshot_gb_month: _Money
    egress_gb: _Money


class PriceBookAnswer(Answer):
    """The price book."""

    currency: str = Field(description="Empty where there are no prices.")
    prices: list[PriceListAnswer]

    @classmethod
    def of(cls, book: PriceBook) -> Self:
        """Convert."""
        lists = [
            PriceListAnswer(
                valid_from=to_moment(one.valid_from_us),
                **dict(zip(_PRICES, (money(price) for price in one.prices), strict=True)),
            )
            for one in book.lists
        ]
        return cls(currency=book.currency, prices=lists)
