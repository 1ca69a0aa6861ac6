"""Use and money over HTTP and on the command line: who sees what, prices, estimates, exports, budgets."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_cli import run
from test_web_people import call, person
from waiting import until
from web_service import SMALL, Web, running_web

from nixos_workspaces.metering.money.exports import FOCUS_COLUMNS, RECORD_COLUMNS, ExportForm

SCRIPT = Path(__file__).resolve().parent.parent / "deploy" / "recompute-bill.py"
MONTH = datetime.now(UTC).strftime("%Y-%m")
LONG_AGO = {
    "valid_from": "2020-01-01T00:00:00Z",
    "cpu_hour_used": "1000",
    "cpu_hour_reserved": "2000.5",
    "memory_gb_hour_reserved": "300",
    "storage_gb_month": "90000",
    "egress_gb": "0.09",
}
BOOK = {"currency": "EUR", "prices": [LONG_AGO]}
NOTHING = {"currency": "EUR", "prices": []}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        running.create("first")
        running.create("second", cpu=2, template="python")
        yield running


@pytest.fixture(autouse=True)
def _priced(web: Web) -> None:
    call(web, "PUT", "prices", BOOK)
    web.run(web.services.metering.turn())


def items(found: Any, name: str) -> dict[str, float]:
    return {one[name]: float(one["total_cost"]) for one in found["items"]}


def text(web: Web, path: str) -> str:
    with web.http() as http:
        answer = http.get(f"/api/nixos/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.text


def test_costs_are_told_by_anything_and_agree(web: Web) -> None:
    found = until("both cost something, and the second, which has two cores, the more", lambda: both_cost(web))
    assert found["currency"] == "EUR"
    total = Decimal(found["total"]["total_cost"])
    for one in ("owner", "template", "day", "group", "workspace,day"):
        told = call(web, "GET", f"costs?aggregate={one}")
        assert sum(Decimal(item["total_cost"]) for item in told["items"]) >= total
    assert {one["owner"] for one in call(web, "GET", "costs?aggregate=owner")["items"]} == {"admin"}
    assert set(items(call(web, "GET", "costs?aggregate=template"), "template")) == {"minimal", "python"}
    assert float(found["now_per_hour"]) > 3 * 2000
    low, expected, high = (float(found["forecast"][one]) for one in ("low", "expected", "high"))
    assert float(found["month_so_far"]) <= low <= expected <= high


def both_cost(web: Web) -> Any:
    web.run(web.services.metering.turn())
    found = call(web, "GET", "costs")
    by = items(found, "workspace")
    return found if by.get("second", 0.0) > by.get("first", 0.0) > 0 else None


def test_idle_capacity_is_told_and_shared_to_the_millionth(web: Web) -> None:
    until("the machine's capacity is counted", lambda: float(idle(web)["idle_cost"]) > 0)
    web.run(web.services.metering.turn())
    found = idle(web)
    assert sum(round(float(one["idle_cost"]) * 1e6) for one in found["items"]) == round(float(found["idle_cost"]) * 1e6)
    assert call(web, "GET", "costs")["idle_cost"] is None


def idle(web: Web) -> Any:
    return call(web, "GET", "costs?share_idle=true")


def test_without_prices_usage_is_told_alone(web: Web) -> None:
    call(web, "PUT", "prices", NOTHING)
    found = call(web, "GET", "costs")
    assert (found["currency"], float(found["total"]["total_cost"])) == ("", 0)
    assert found["total"]["usage"]["cpu_hours_reserved"] > 0
    assert call(web, "GET", "prices") == {"currency": "", "prices": []}


def test_members_see_their_own_and_auditors_all(web: Web) -> None:
    _, member = person(web, "ann")
    _, auditor = person(web, "eve", role="auditor")
    made = call(web, "POST", "workspaces/create", {"name": "hers", **SMALL}, token=member)["workspace"]
    until("hers is counted", lambda: "hers" in seen(web, member))
    assert seen(web, member) == {"hers"}
    assert {"hers", "first", "second"} <= seen(web, auditor)
    assert call(web, "GET", "costs?share_idle=true", token=member)["idle_cost"] is None
    denied = 403, "forbidden"
    for token in (member, auditor):
        assert call(web, "PUT", "prices", NOTHING, token=token) == denied
        assert call(web, "PUT", "budgets/user:ann", {"amount": "1"}, token=token) == denied
        assert call(web, "DELETE", "budgets/user:ann", token=token) == denied
    assert call(web, "GET", "usage/verification", token=member) == denied
    assert call(web, "GET", "usage/verification", token=auditor)["findings"] == []
    call(web, "PUT", "budgets/user:ann", {"amount": "100000"})
    call(web, "PUT", "budgets/user:eve", {"amount": "100000"})
    assert [one["name"] for one in call(web, "GET", "budgets", token=member)["budgets"]] == ["ann"]
    assert {one["name"] for one in call(web, "GET", "budgets", token=auditor)["budgets"]} == {"ann", "eve"}
    call(web, "DELETE", "budgets/user:ann")
    call(web, "DELETE", "budgets/user:eve")
    call(web, "DELETE", f"workspaces/{made['id']}", token=member)


def seen(web: Web, token: str) -> set[str]:
    web.run(web.services.metering.turn())
    return {one["workspace"] for one in call(web, "GET", "costs", token=token)["items"]}


def test_an_estimate_takes_what_creating_takes(web: Web) -> None:
    found = call(web, "POST", "costs/estimate", {"name": "new", **SMALL, "cpu": 2})["estimate"]
    storage = 90000 / 730
    assert float(found["hour_stopped"]) == pytest.approx(storage, abs=1e-6)
    assert float(found["hour_idle"]) == pytest.approx(2 * 2000.5 + 300 + storage, abs=1e-5)
    assert float(found["hour_busy"]) == pytest.approx(2 * 3000.5 + 300 + storage, abs=1e-5)
    assert call(web, "POST", "costs/estimate", {"cpu": 0}) == (422, "invalid_input")
    assert call(web, "POST", "costs/estimate", {"cpu": 1, "colour": "red"}) == (422, "invalid_input")


def test_the_exported_records_make_the_same_bill_elsewhere(web: Web, tmp_path: Path) -> None:
    for name in ("first", "second"):
        with web.http() as http:
            http.post(f"/api/nixos/workspaces/{name}/restart")
    records = text(web, f"costs/export?month={MONTH}")
    found = call(web, "GET", "costs?window=month")
    rows = list(csv.DictReader(io.StringIO(records)))
    assert tuple(rows[0]) == RECORD_COLUMNS
    (tmp_path / "records.csv").write_text(records, newline="")
    (tmp_path / "prices.json").write_text(json.dumps(call(web, "GET", "prices")))
    command = [sys.executable, "-I", str(SCRIPT), "records.csv", "prices.json"]
    done = subprocess.run([*command, "--month", MONTH, "--json"], cwd=tmp_path, check=True, capture_output=True)
    by = json.loads(done.stdout)["by"]
    # What was counted between the two questions is new since, and never less.
    told = {one["workspace_id"]: float(one["total_cost"]) for one in found["items"]}
    assert by.keys() <= told.keys()
    assert all(amount / 1e6 <= told[one] for one, amount in by.items())


@pytest.mark.parametrize("form", [ExportForm.FOCUS_1_0, ExportForm.FOCUS_1_3, ExportForm.FOCUS_1_4])
def test_focus_has_its_columns_and_the_bill(web: Web, form: ExportForm) -> None:
    rows = list(csv.DictReader(io.StringIO(text(web, f"costs/export?month={MONTH}&format={form}"))))
    found = call(web, "GET", "costs")
    assert tuple(rows[0]) == FOCUS_COLUMNS[form]
    assert sum(round(float(row["BilledCost"]) * 1e6) for row in rows) <= float(found["total"]["total_cost"]) * 1e6 + 1
    assert [problem for row in rows for problem in broken_rules(row)] == []


def broken_rules(row: dict[str, str]) -> Iterator[str]:
    """Yield the rules of FOCUS that a row of ours breaks."""
    never_null = (
        *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd"),
        *("ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost", "ListCost"),
        *("InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
        *("PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "ConsumedQuantity"),
    )
    yield from (f"{column} is empty" for column in never_null if not row[column])
    allowed = {
        "ChargeCategory": {"Usage"},
        "ChargeClass": {""},
        "ChargeFrequency": {"Usage-Based"},
        "PricingCategory": {"Standard"},
        "ServiceCategory": {"Compute", "Storage", "Networking"},
        "BillingCurrency": {"EUR"},
    }
    yield from (f"{name} is {row[name]}" for name, values in allowed.items() if row[name] not in values)
    times = [row[f"{kind}Period{end}"] for kind in ("Billing", "Charge") for end in ("Start", "End")]
    begin, end, first, last = (datetime.strptime(one, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for one in times)
    if not begin <= first < last <= end:
        yield "its periods do not lie in one another"
    product = float(row["ListUnitPrice"]) * float(row["PricingQuantity"])
    if abs(product - float(row["ListCost"])) > 1e-6:
        yield f"{product} is not the cost {row['ListCost']}"
    if any(row[name] != row["BilledCost"] for name in ("ContractedCost", "EffectiveCost", "ListCost")):
        yield "there are no discounts, and the costs differ"
    if not all(isinstance(one, str) for one in json.loads(row["Tags"]).values()):
        yield "a tag is no text"


@pytest.fixture
def nixws(web: Web) -> Any:
    def call(*words: str, code: int = 0) -> str:
        done = run(*words, NIXWS_URL=web.url, NIXWS_TOKEN=web.token)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout

    return call


def test_the_command_line_shows_use_money_and_budgets(nixws: Any, tmp_path: Path) -> None:
    assert "first" in nixws("usage", "show")
    assert "records" in nixws("usage", "verify")
    assert "expected" in nixws("costs", "--idle")
    assert nixws("costs", "--export", "csv", "--month", MONTH).startswith("workspace_id,number,")
    assert "EUR a month" in nixws("create", "new", "--estimate")
    nixws("budget", "set", "user:admin", "9000000.50", "--at-limit", "no_new", "--threshold", "90")
    assert "9000000.50 EUR" in nixws("budget", "list")
    nixws("budget", "remove", "user:admin")
    nixws("budget", "remove", "user:admin", code=3)
    book = tmp_path / "prices.json"
    book.write_text(nixws("prices", "show"))
    nixws("prices", "set", str(book))
    book.write_text("[]")
    nixws("prices", "set", str(book), code=2)
