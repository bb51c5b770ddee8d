"""The flow of messengers: a topic they are sent to, a group that registers, a log of arrivals."""

from __future__ import annotations

import logging

from anymq import AnyMQError, App, DeadLetter, Delivery, Outcome, RetryPolicy
from anymq.config import Settings
from anymq.streams.handle import StreamHandle
from newsstand.errors import Conflict, MissingReference
from newsstand.messengers.models import Arrival, HiredMessenger, Messenger
from newsstand.messengers.registry import REGISTRY, MessengerRegistry

__all__ = ["ADDED", "NEWSTOPIC", "MessengerFlow", "build_messaging"]

NEWSTOPIC = "newstopic"
ADDED = "messengers.added"
KEPT_S = 30 * 86_400
"""How long an arrival can be told again. Every backend's log can be bounded by age."""

log = logging.getLogger("newsstand")


def build_messaging(settings: Settings, *, registry: MessengerRegistry) -> App:
    """The messaging application of one process; nothing is connected yet."""
    app = App(settings=settings, name="newsstand")
    app.topic(NEWSTOPIC, partitions=3)
    added = app.stream(ADDED, Arrival, max_age_s=KEPT_S)
    _declare_registry(app, registry, added)
    return app


def _declare_registry(app: App, registry: MessengerRegistry, added: StreamHandle[Arrival]) -> None:
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
            # the record is repeated, under the message's own id so that watchers see it once.
            arrival = Arrival(messenger=messenger, came_by="send")
            await added.append(arrival, message_id=delivery.id)
        return None


class MessengerFlow:
    """What requests put into the flow."""

    def __init__(self, app: App, *, timeout_s: float) -> None:
        self._app = app
        self.added = app.stream(ADDED, Arrival)
        self._timeout_s = timeout_s

    async def send(self, hired: HiredMessenger) -> str:
        """Publish it to be registered; the message's id, once the backend has it.

        Raises PublishRejected, PublishUnknown, BackendUnavailable.
        """
        return await self._app.publish(
            NEWSTOPIC, hired, key=f"vendor-{hired.vendor_id}", timeout_s=self._timeout_s
        )

    async def announce(self, messenger: Messenger) -> None:
        """Record a messenger that was inserted directly; it stands whether that works or not."""
        arrival = Arrival(messenger=messenger, came_by="add")
        try:
            await self.added.append(arrival, timeout_s=self._timeout_s)
        except AnyMQError as error:
            log.warning("messenger %s was not announced: %s", messenger.id, error.code)
