"""The flow of sales: a log of what was sold, and a log of what fell short of its quota."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime

from anymq import AnyMQError, App, DecodeError, at
from anymq.streams.record import StreamRecord
from newsstand.sales.models import Judged, NewSale, Sale
from newsstand.sales.quota import judge
from newsstand.storage.sales import SalesRows

__all__ = ["ALERTS", "SALES", "SalesFlow"]

SALES = "sales"
ALERTS = "sales.alerts"
QUOTA = "quota"
"""The group that holds every sale against its quota."""
KEPT_S = 365 * 86_400
RETRY_S = (0.2, 5.0)

log = logging.getLogger("newsstand")


class SalesFlow:
    """What is recorded goes to the log of sales; a group of all processes looks for alerts."""

    def __init__(self, app: App, rows: SalesRows, *, timeout_s: float) -> None:
        self.sold = app.stream(SALES, Sale, max_age_s=KEPT_S)
        self.alerts = app.stream(ALERTS, Judged, max_age_s=KEPT_S)
        self._rows = rows
        self._timeout_s = timeout_s

    async def record(self, new: NewSale) -> Sale:
        """Insert a sale and append it to the log; it stands whether the log takes it or not.

        Raises Conflict, MissingReference, StorageUnavailable.
        """
        sale = await self._rows.add(new)
        try:
            await self.sold.append(sale, message_id=f"sale-{sale.id}", timeout_s=self._timeout_s)
        except AnyMQError as error:
            log.warning("sale %s was not appended to %s: %s", sale.id, SALES, error.code)
        return sale

    async def run(self) -> None:
        """Look for alerts until cancelled; whoever takes over goes on where this one was."""
        delay_s = RETRY_S[0]
        while True:
            try:
                async with self.sold.group(QUOTA) as member:
                    async for record in member:
                        await self._alert(record)
                        delay_s = RETRY_S[0]
            except AnyMQError as error:
                log.warning("sales are not held against their quotas now: %s", error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_S[1])

    async def judged(self) -> AsyncIterator[Judged]:
        """Every recorded sale held against its quota, by id. Raises StorageUnavailable."""
        async for sale in self._rows.all():
            yield judge(sale)

    async def replay(self, since: datetime) -> AsyncIterator[Judged]:
        """The alerts of all sales recorded since then, judged anew: the same ones, in order."""
        reading = self.sold.read(at(since), follow=False, distinct=True)
        async with reading:
            async for record in reading:
                if (judged := _judged(record)) is not None and not judged.is_within_quota:
                    yield judged

    async def _alert(self, record: StreamRecord[Sale]) -> None:
        judged = _judged(record)
        if judged is None or judged.is_within_quota:
            return
        # At least once: told again after a crash, it has the same id, and is shown once.
        await self.alerts.append(judged, message_id=f"quota-{record.id}")


def _judged(record: StreamRecord[Sale]) -> Judged | None:
    try:
        return judge(record.value)
    except DecodeError as error:
        log.warning("record %s of %s is left out: %s", record.id, SALES, error)
        return None
