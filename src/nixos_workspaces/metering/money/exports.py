"""Exports: meter records as CSV, and lines in the columns of FOCUS (FinOps Open Cost and Usage Specification).

Source: focus.finops.org, versions 1.0 and 1.3. 1.3 has all columns of 1.0 and more; 1.4 is written as 1.3 is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction

from nixos_workspaces.metering.money.reports import Names
from nixos_workspaces.model.metering.costs import Line, day_name, money, to_moment
from nixos_workspaces.model.metering.prices import UNITS, PriceBook
from nixos_workspaces.model.metering.records import DAY_US, METERS, Meter, MeterRecord

_PLACES = 12
_NO_CURRENCY = "X" * 3
"""ISO 4217 for no currency: of a book without prices."""


class ExportForm(StrEnum):
    """A form of exports."""

    CSV = "csv"
    """Meter records, from which ``deploy/recompute-bill.py`` makes the bill again."""
    FOCUS_1_0 = "focus-1.0"
    FOCUS_1_3 = "focus-1.3"
    FOCUS_1_4 = "focus-1.4"


RECORD_COLUMNS = (
    *("workspace_id", "number", "begin_us", "end_us", "duration_us", "owner_id", "groups", "template", "state"),
    *METERS,
)
_V1_0 = (
    *("AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory"),
    *("CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType"),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost"),
    *("InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType"),
    *("ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags"),
)
_V1_3 = (
    *_V1_0,
    *("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags"),
    *("BillingAccountType", "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountQuantity"),
    *("CommitmentDiscountUnit", "ContractApplied", "HostProviderName", "InvoiceId", "PricingCurrency"),
    *("PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice"),
    *("ServiceProviderName", "ServiceSubcategory", "SkuMeter", "SkuPriceDetails", "SubAccountType"),
)
_OWN = ("x_Meter", "x_Owner")
FOCUS_COLUMNS: Mapping[ExportForm, tuple[str, ...]] = {
    ExportForm.FOCUS_1_0: (*_V1_0, *_OWN),
    ExportForm.FOCUS_1_3: (*_V1_3, *_OWN),
    ExportForm.FOCUS_1_4: (*_V1_3, *_OWN),
}
_KINDS: Mapping[Meter, tuple[str, str, str, str, str]] = {
    Meter.CPU_USED: ("Compute", "Virtual Machines", "CPU", "vCPU-Hours", "CPU time that was used"),
    Meter.CPU_RESERVED: ("Compute", "Virtual Machines", "CPU", "vCPU-Hours", "CPU that was reserved"),
    Meter.MEMORY_USED: ("Compute", "Virtual Machines", "Memory", "GiB-Hours", "Memory that was used"),
    Meter.MEMORY_RESERVED: ("Compute", "Virtual Machines", "Memory", "GiB-Hours", "Memory that was reserved"),
    Meter.STORAGE: ("Storage", "Block Storage", "Storage", "GiB-Months", "Storage of the volume"),
    Meter.SNAPSHOTS: ("Storage", "Backup Storage", "Snapshots", "GiB-Months", "Storage of snapshots"),
    Meter.EGRESS: ("Networking", "Network Connectivity", "Egress", "GiB", "Data that was sent"),
}
"""Service category and subcategory, service, unit and description of each meter."""
_PROVIDER = "NixOS Workspaces"


def record_rows(records: Iterable[MeterRecord]) -> Iterator[Sequence[object]]:
    """Yield the columns of records, in whole numbers."""
    for one in records:
        head = (one.workspace_id, one.number, one.begin_us, one.end_us, one.duration_us, one.owner_id)
        yield (*head, " ".join(one.groups), one.template, one.state.value, *one.quantities)


def focus_rows(
    form: ExportForm, lines: Iterable[Line], book: PriceBook, names: Names, month: tuple[int, int]
) -> Iterator[Sequence[str]]:
    """Yield a row for each meter of each line; the costs of all rows are exactly those of the lines."""
    columns = FOCUS_COLUMNS[form]
    for line in lines:
        for at, meter in enumerate(METERS):
            if line.quantities[at]:
                row = _row(line, at, meter, book, names) | _period(line, month)
                yield [row.get(column, "") for column in columns]


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(line: Line, at: int, meter: Meter, book: PriceBook, names: Names) -> dict[str, str]:
    category, subcategory, service, unit, described = _KINDS[meter]
    quantity = _decimal(Fraction(line.quantities[at]) / UNITS[at])
    cost = money(line.costs[at])
    prices = [one.prices[at] if one.prices else 0 for one in book.periods(line.begin_us, line.end_us)]
    # A day within which the price has changed has its mean.
    mean = Fraction(line.costs[at] * UNITS[at], 1) / Fraction(line.quantities[at])
    price = _decimal((Fraction(prices[0]) if len(set(prices)) == 1 else mean) / 1_000_000)
    workspace = names["workspace"].get(line.workspace_id, line.workspace_id)
    owner = names["user"].get(line.owner_id, line.owner_id)
    groups = [names["group"].get(one, one) for one in line.groups]
    currency = book.currency or _NO_CURRENCY
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), quantity),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
        **dict.fromkeys(("ContractedUnitPrice", "ListUnitPrice"), price),
        **dict.fromkeys(("PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice"), price),
        **dict.fromkeys(("BillingCurrency", "PricingCurrency"), currency),
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), _PROVIDER),
        **dict.fromkeys(("ServiceProviderName", "HostProviderName"), _PROVIDER),
        "PricingCurrencyEffectiveCost": cost,
        "BillingAccountId": "installation",
        "BillingAccountName": _PROVIDER,
        "BillingAccountType": "Installation",
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{described}: {workspace}, {day_name(line.day)}",
        "ChargeFrequency": "Usage-Based",
        "PricingCategory": "Standard",
        "ResourceId": line.workspace_id,
        "ResourceName": workspace,
        "ResourceType": "Workspace",
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ServiceName": service,
        "SkuId": meter.value,
        "SkuMeter": described,
        "SkuPriceId": f"{meter.value}-{prices[0]}",
        "SubAccountId": line.owner_id,
        "SubAccountName": owner,
        "SubAccountType": "User",
        "Tags": json.dumps({"template": line.template, "groups": " ".join(groups)}),
        "x_Meter": meter.value,
        "x_Owner": owner,
    }


def _period(line: Line, month: tuple[int, int]) -> dict[str, str]:
    begin, end = (to_moment(one) for one in month)
    return {
        "BillingPeriodStart": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "BillingPeriodEnd": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodStart": f"{to_moment(line.day * DAY_US):%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{to_moment((line.day + 1) * DAY_US):%Y-%m-%dT%H:%M:%SZ}",
    }


def _decimal(value: Fraction) -> str:
    """Return a number with at most twelve places, half to even."""
    scaled = round(value * 10**_PLACES)
    whole, part = divmod(scaled, 10**_PLACES)
    return f"{whole}.{part:0{_PLACES}d}".rstrip("0").rstrip(".")
