"""One confirming channel, on which the batches of all senders follow each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiormq.exceptions import ChannelAccessRefused

from anymq.errors import AnyMQError
from anymq.outcome import Rejected, SendResult, Unknown
from anymq_rabbitmq.confirms import Batch, Confirms, Parcel
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.errors import text_of, translated
from anymq_rabbitmq.link import Link

__all__ = ["Prepare", "Publisher"]

Prepare = Callable[[], Awaitable[Sequence[Parcel | SendResult]]]
"""Makes the parcels of one batch; called when it is the batch's turn."""


class Publisher:
    """Publishes batches; any number of them may wait for their confirms at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._confirms: Confirms | None = None
        self._turn = asyncio.Lock()
        """Held from looking up addresses to the last byte written: batches keep their order."""

    async def publish(
        self, prepare: Prepare, *, count: int, timeout_s: float
    ) -> Sequence[SendResult]:
        """Publish ``count`` parcels and wait for the confirms; one result each, in order."""
        prepared: Sequence[Parcel | SendResult] = []
        batch = Batch([])
        try:
            with translated("publishing"):
                async with asyncio.timeout(timeout_s):
                    async with self._turn:
                        prepared = await prepare()
                        batch = Batch([item for item in prepared if isinstance(item, Parcel)])
                        channel = await self._write(batch, timeout_s)
                    reason = await _until_answered(batch, channel)
        except AnyMQError as error:
            reason = str(error)
        if not prepared:
            return [Unknown(reason)] * count
        answers = iter(batch.end(reason))
        return [next(answers) if isinstance(item, Parcel) else item for item in prepared]

    async def _write(self, batch: Batch, timeout_s: float) -> DataChannel | None:
        if not batch.parcels:
            return None
        confirms = self._confirms
        if confirms is None or confirms.channel.is_closed:
            channel = await self._link.data_channel(timeout_s=timeout_s, confirms=True)
            confirms = self._confirms = Confirms(channel)
        await confirms.write(batch)
        return confirms.channel


async def _until_answered(batch: Batch, channel: DataChannel | None) -> str:
    """Wait for all confirms or the channel's end; what to say of those without an answer."""
    if channel is None:
        return ""
    closing = channel.closing
    closing.add_done_callback(lambda _: batch.done.set())
    try:
        await batch.done.wait()
    finally:
        closing.cancel()  # stops observing; the channel goes on
    if not channel.is_closed or closing.cancelled():
        return ""
    error = closing.exception()
    if isinstance(error, ChannelAccessRefused):
        _deny(batch, text_of(error))
    reason = text_of(error) if isinstance(error, Exception) else "the server did not answer"
    return f"the channel was closed: {reason}"


def _deny(batch: Batch, text: str) -> None:
    """Answer those whose exchange the server refused; it names it, and takes nothing for it."""
    for index, parcel in enumerate(batch.parcels):
        if f"exchange '{parcel.exchange}'" in text:
            batch.answer(index, Rejected("denied", text))
