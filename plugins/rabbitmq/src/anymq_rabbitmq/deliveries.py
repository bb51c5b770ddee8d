"""What the server delivered, as core takes it."""

from __future__ import annotations

from collections.abc import Callable

from anymq.abc import BackendContext
from anymq.message import Delivery
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.queues import Inlet
from anymq_rabbitmq.settling import Token
from anymq_rabbitmq.wire import decode_counted

__all__ = ["DecodeDelivery", "decoder"]

DecodeDelivery = Callable[[str | None, Inlet, Arrival], Delivery]
"""From the group that it is delivered to, and the queue that it came from."""


def decoder(context: BackendContext) -> DecodeDelivery:
    """Makes deliveries in one namespace."""
    prefix = context.physical("")
    now = context.clock.time

    def decode(group: str | None, inlet: Inlet, arrival: Arrival) -> Delivery:
        topic = inlet.topic or arrival.exchange.removeprefix(prefix)
        message, counted = decode_counted(arrival, topic=topic, now=now())
        return Delivery(
            message=message,
            group=group,
            token=Token(
                arrival.channel,
                arrival.delivery_tag,
                inlet.queue,
                inlet.group,
                inlet.home,
                inlet.alone,
            ),
            delivery_count=None if counted is None else 1 + counted,
            redelivered=arrival.redelivered,
            native=arrival,
        )

    return decode
