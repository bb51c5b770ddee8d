"""The flow of messengers: a topic they are sent to, a group that registers, a notice of arrival."""

from __future__ import annotations

import logging

from anymq import AnyMQError, App, DeadLetter, Delivery, Outcome, RetryPolicy
from anymq.config import Settings
from newsstand.errors import Conflict, MissingReference
from newsstand.live.feed import Feed
from newsstand.messengers.models import Arrival, HiredMessenger, Messenger
from newsstand.messengers.registry import REGISTRY, MessengerRegistry

__all__ = ["ARRIVED", "NEWSTOPIC", "MessengerFlow", "build_messaging"]

NEWSTOPIC = "newstopic"
ARRIVED = "messengers.arrived"

log = logging.getLogger("newsstand")


def build_messaging(settings: Settings, *, registry: MessengerRegistry, feed: Feed) -> App:
    """The messaging application of one process; nothing is connected yet."""
    app = App(settings=settings, name="newsstand")
    app.topic(NEWSTOPIC, partitions=3)
    app.topic(ARRIVED)
    _declare_registry(app, registry)
    _declare_feed(app, feed)
    return app


def _declare_registry(app: App, registry: MessengerRegistry) -> None:
    @app.subscriber(
        NEWSTOPIC,
        group=REGISTRY,
        concurrency=4,
        retry=RetryPolicy(max_attempts=10, first_delay_s=0.5, max_delay_s=60),
    )
    async def register(hired: HiredMessenger, delivery: Delivery) -> Outcome | None:
        try:
            messenger = await registry.register(hired, topic=delivery.topic, message_id=delivery.id)
        except (Conflict, MissingReference) as error:
            return DeadLetter(str(error))
        if messenger is not None:
            # Part of the handler: if this fails, the message comes again, finds its messenger, and
            # the notice is repeated, under the message's own id so that watchers see it once.
            arrival = Arrival(messenger=messenger, came_by="send")
            await delivery.publish(ARRIVED, arrival, message_id=delivery.id)
        return None


def _declare_feed(app: App, feed: Feed) -> None:
    @app.subscriber(ARRIVED, name="feed")
    async def show(arrival: Arrival, delivery: Delivery) -> None:
        feed.announce(delivery.id, arrival.model_dump_json())


class MessengerFlow:
    """What requests put into the flow."""

    def __init__(self, app: App, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def send(self, hired: HiredMessenger) -> str:
        """Publish it to be registered; the message's id, once the backend has it.

        Raises PublishRejected, PublishUnknown, BackendUnavailable.
        """
        return await self._app.publish(
            NEWSTOPIC, hired, key=f"vendor-{hired.vendor_id}", timeout_s=self._timeout_s
        )

    async def announce(self, messenger: Messenger) -> None:
        """Tell the feeds of a messenger that was inserted directly; it stands whether they hear."""
        arrival = Arrival(messenger=messenger, came_by="add")
        try:
            await self._app.publish(ARRIVED, arrival, timeout_s=self._timeout_s)
        except AnyMQError as error:
            log.warning("messenger %s was not announced: %s", messenger.id, error.code)
