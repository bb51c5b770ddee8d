"""The newsstand's parts, built from its settings; opened and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from anymq import App
from newsstand.errors import StorageUnavailable
from newsstand.live.feed import Feed
from newsstand.live.follower import Follower
from newsstand.messengers.flow import MessengerFlow, build_messaging
from newsstand.messengers.models import Arrival
from newsstand.messengers.registry import MessengerRegistry
from newsstand.roles import messaging_settings, role_urls
from newsstand.sales.flow import SalesFlow
from newsstand.sales.models import Judged, Sale
from newsstand.sales.quota import judge
from newsstand.serving.stop import Stop
from newsstand.settings import NewsstandSettings
from newsstand.storage.messengers import MessengerRows
from newsstand.storage.sales import SalesRows
from newsstand.storage.schema import check_schema
from newsstand.storage.storage import Storage
from newsstand.storage.vendors import VendorRows

__all__ = ["Desk", "build_desk"]

# Messaging has its own limits; this one is for when they do not hold.
CLOSE_S = 45.0


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's newsstand. Nothing is open before ``running``."""

    settings: NewsstandSettings
    stop: Stop
    storage: Storage
    messaging: App
    roles: Mapping[str, str]
    """Which backend is in use for which role: URLs without their secrets."""
    arrivals: Follower[Arrival]
    """The live feed of messengers that were registered."""
    sold: Follower[Sale]
    """The live feed of sales held against their quotas."""
    alerts: Follower[Judged]
    """The live feed of those that fell short."""
    flow: MessengerFlow
    sales: SalesFlow
    messengers: MessengerRows
    vendors: VendorRows

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Database, then messaging with its consumers; closed the other way round.

        Raises SchemaError, StorageUnavailable, and what ``App.start`` raises.
        """
        await asyncio.to_thread(check_schema, self.settings.database_url)
        async with self.storage:
            await self.messaging.start()
            try:
                async with asyncio.TaskGroup() as tasks:
                    work = (self.arrivals, self.sold, self.alerts, self.sales)
                    running = [tasks.create_task(one.run()) for one in work]
                    try:
                        yield
                    finally:
                        for task in running:
                            task.cancel()
            finally:
                self.stop.set()
                async with asyncio.timeout(CLOSE_S):
                    await self.messaging.close()

    async def database_status(self) -> Literal["up", "down"]:
        """Whether the database answers. Never raises."""
        try:
            await self.messengers.count()
        except StorageUnavailable:
            return "down"
        return "up"


def build_desk(settings: NewsstandSettings) -> Desk:
    """Put the parts together. Raises ConfigError for a messaging URL that cannot be."""
    storage = Storage(settings.database_url)
    stop = Stop()
    backend = messaging_settings(settings)
    messaging = build_messaging(backend, registry=MessengerRegistry(storage))
    stop.on_hurry(messaging.force)
    flow = MessengerFlow(messaging, timeout_s=settings.publish_timeout_s)
    sales = SalesFlow(messaging, SalesRows(storage), timeout_s=settings.publish_timeout_s)
    messengers, sold, alerts = (_feed(settings, stop, of) for of in ("messenger", "sale", "alert"))
    return Desk(
        settings=settings,
        stop=stop,
        storage=storage,
        messaging=messaging,
        roles=role_urls(backend),
        arrivals=Follower(flow.added, messengers),
        sold=Follower(sales.sold, sold, show=judge),
        alerts=Follower(sales.alerts, alerts),
        flow=flow,
        sales=sales,
        messengers=MessengerRows(storage),
        vendors=VendorRows(storage),
    )


def _feed(settings: NewsstandSettings, stop: Stop, event: str) -> Feed:
    feed = Feed(event, capacity=settings.feed_capacity, max_watchers=settings.max_watchers)
    stop.on_set(feed.end)
    return feed
