"""The price book."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.metering.tables import price_lists
from nixos_workspaces.model.metering.prices import PriceBook, PriceList, book_of
from nixos_workspaces.model.metering.records import METERS


class PriceRepository:
    """The price book, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def book(self) -> PriceBook:
        """Return all prices."""
        found = [*await self._connection.execute(select(price_lists))]
        return book_of(found[0][1] if found else "", [PriceList(row[0], tuple(row[2:])) for row in found])

    async def replace(self, book: PriceBook) -> None:
        """Store another book in place of the present one."""
        await self._connection.execute(delete(price_lists))
        for one in book.lists:
            prices = dict(zip((meter.value for meter in METERS), one.prices, strict=True))
            row = {"valid_from_us": one.valid_from_us, "currency": book.currency, **prices}
            await self._connection.execute(insert(price_lists).values(row))
