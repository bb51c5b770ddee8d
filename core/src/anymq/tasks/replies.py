"""What follows the end of a job: the reply to its submitter, and the next job of its chain."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from anymq.abc.job_store import TERMINAL_STATES, JobRecord
from anymq.errors import AnyMQError, PublishRejected
from anymq.message import Message
from anymq.portable.outbound import Outbound
from anymq.tasks.envelope import Ending, JobEnvelope, Link, pack
from anymq.tasks.failures import ErrorData
from anymq.tasks.ledger import Ledger
from anymq.tasks.queues import queue_topic
from anymq.tasks.raw import raw

if TYPE_CHECKING:
    from anymq.tasks.batcher import Spawn

__all__ = ["Replies"]

TIMEOUT_S = 10.0
MAX_PUSHED = 128 * 1024
"""A larger result is read from the store by whoever waits for it."""


class Replies:
    """Idempotent: done again when a job's message comes again after its end."""

    def __init__(self, outbound: Outbound, ledger: Ledger, spawn: Spawn) -> None:
        self._outbound = outbound
        self._ledger = ledger
        self._spawn = spawn

    async def ended(self, record: JobRecord, job: JobEnvelope, message: Message) -> None:
        """Tell, and go on with the chain. Raises what publishing raises."""
        if record.state not in TERMINAL_STATES:
            return
        if job.then and record.state == "succeeded":
            await self._follow(record, job.then, message)
        elif job.then:
            await self._break_off(record, job.then, message)
        elif message.reply_to is not None:
            await self._reply(record, message.reply_to)

    async def _reply(self, record: JobRecord, address: str) -> None:
        result, error = record.result, record.error
        is_whole = len(result or b"") + len(error or b"") <= MAX_PUSHED
        ending = Ending(
            record.id,
            record.state,
            raw(result if is_whole else None),
            raw(error if is_whole else None),
            is_whole,
        )
        try:
            await self._outbound.send_one(
                address, pack(ending), TIMEOUT_S, {"causation_id": record.id}
            )
        except PublishRejected:
            return  # whoever submitted it is gone with its address

    async def _follow(self, record: JobRecord, then: list[Link], message: Message) -> None:
        link, *rest = then
        arguments = {link.first: msgspec.Raw(record.result or b"null"), **link.arguments}
        job = JobEnvelope(link.task, arguments, keep_result=link.keep_result, then=rest)
        options = {
            "message_id": link.job,
            "correlation_id": message.correlation_id,
            "causation_id": message.id,
            "reply_to": message.reply_to,
        }
        await self._outbound.send_one(queue_topic(link.queue), pack(job), TIMEOUT_S, options)

    async def _break_off(self, record: JobRecord, then: list[Link], message: Message) -> None:
        text = f"job {record.id} ({record.state}) of the same chain did not succeed"
        error = pack(ErrorData("ChainBroken", text))
        for link in then:
            found = await self._ledger.get(link.job)
            if found is None:
                continue
            broken, _ = await self._ledger.finish(found, "failed", error=error)
            if link is then[-1] and message.reply_to is not None:
                await self._reply(broken, message.reply_to)

    async def told(self, record: JobRecord, job: JobEnvelope, message: Message) -> None:
        """As ``ended``, not waiting for a reply: the end is stored, so one that is lost delays."""
        if job.then:
            await self.ended(record, job, message)
        elif message.reply_to is not None and record.state in TERMINAL_STATES:
            self._spawn(self._try_reply(record, message.reply_to))

    async def _try_reply(self, record: JobRecord, address: str) -> None:
        with suppress(AnyMQError):
            await self._reply(record, address)
