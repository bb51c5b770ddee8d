"""``anymq tail``: watch what is published to a topic from now on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from anymq.cli.options import AsJson, Topic, Url
from anymq.cli.state import State, state_of

if TYPE_CHECKING:
    from anymq.message import Message

__all__ = ["tail"]

_BATCH = 50
_WAIT_S = 1.0
_SETTLE_S = 10.0


def tail(
    context: typer.Context,
    topic: Topic,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show messages as they come, until interrupted. Takes none away from any group."""
    import asyncio

    asyncio.run(_tail(state_of(context), url, topic, count, as_json=as_json))


async def _tail(
    state: State, url: str | None, topic: str, count: int | None, *, as_json: bool
) -> None:
    from anymq.cli.backend_access import open_broker
    from anymq.outcome import ACK, Settlement
    from anymq.topology import Source, check_pattern

    async with open_broker(state, url) as broker:
        subscription = await broker.subscribe(
            Source((check_pattern(topic),)), prefetch=_BATCH, on_lost=lambda lost: None
        )
        try:
            left = count
            while left is None or left > 0:
                most = _BATCH if left is None else min(left, _BATCH)
                deliveries = await subscription.receive(max_messages=most, wait_s=_WAIT_S)
                for delivery in deliveries:
                    _show(delivery.message, as_json=as_json)
                settlements = [Settlement(delivery, ACK) for delivery in deliveries]
                await subscription.settle(settlements, timeout_s=_SETTLE_S)
                left = None if left is None else left - len(deliveries)
        finally:
            await subscription.aclose(timeout_s=_SETTLE_S)


def _show(message: Message, *, as_json: bool) -> None:
    from anymq.cli.message_view import body_text, message_as_data, moment

    if as_json:
        typer.echo(json.dumps(message_as_data(message), ensure_ascii=False))
        return
    head = typer.style(f"{moment(message.timestamp)} {message.topic} {message.id}", dim=True)
    key = f" key={message.key}" if message.key else ""
    headers = "".join(f" {name}={value}" for name, value in message.headers.items())
    typer.echo(f"{head}{key}{headers} {body_text(message)}")
