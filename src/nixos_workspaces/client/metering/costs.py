"""The client's calls on use, costs, prices and budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.metering.budgets import BudgetList
from nixos_workspaces.schemas.metering.costs import CostsAnswer, EstimateAnswer, EstimateDetail, PriceBookAnswer
from nixos_workspaces.schemas.metering.usage import UsageVerification

_COSTS = "/api/nixos/costs"
_PRICES = "/api/nixos/prices"
_BUDGETS = "/api/nixos/budgets"


class CostCalls:
    """The calls on use and money. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def get(self, **query: str) -> CostsAnswer:
        """Return costs: ``query`` has window, aggregate, include_idle, share_idle."""
        return read_answer(CostsAnswer, self._client.call("GET", _COSTS, query=query))

    def estimate(self, wanted: Mapping[str, Any]) -> EstimateDetail:
        """Return the costs of a workspace that is not made: ``wanted`` is a ``CreateRequest``, or one without name."""
        return read_answer(EstimateAnswer, self._client.call("POST", f"{_COSTS}/estimate", body=dict(wanted))).estimate

    def export(self, month: str, form: str) -> Iterator[bytes]:
        """Yield the export of a month."""
        return self._client.download(f"{_COSTS}/export?{urlencode({'month': month, 'format': form})}")

    def prices(self) -> PriceBookAnswer:
        """Return the price book."""
        return read_answer(PriceBookAnswer, self._client.call("GET", _PRICES))

    def set_prices(self, book: Mapping[str, Any]) -> None:
        """Replace the price book: ``book`` is a ``PriceBookRequest``."""
        self._client.call("PUT", _PRICES, body=dict(book))

    def budgets(self) -> BudgetList:
        """Return the budgets that the caller may see."""
        return read_answer(BudgetList, self._client.call("GET", _BUDGETS))

    def set_budget(self, subject: str, wanted: Mapping[str, Any]) -> None:
        """Set a budget: ``wanted`` is a ``BudgetRequest``."""
        self._client.call("PUT", f"{_BUDGETS}/{quote(subject, safe='')}", body=dict(wanted))

    def remove_budget(self, subject: str) -> None:
        """Remove a budget."""
        self._client.call("DELETE", f"{_BUDGETS}/{quote(subject, safe='')}")

    def verify(self) -> UsageVerification:
        """Compare the records of use with their seals."""
        return read_answer(UsageVerification, self._client.call("GET", "/api/nixos/usage/verification"))
