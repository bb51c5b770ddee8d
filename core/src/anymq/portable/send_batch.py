"""One batch on its way through ``Broker.send``, and the repeating of what ended unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from anymq.errors import AnyMQError, ClosedError
from anymq.message import Message
from anymq.outcome import Rejected, SendResult, Unknown
from anymq.support.backoff import Backoff
from anymq.support.clock import Clock

__all__ = [
    "REPEATED",
    "Entry",
    "SendBatch",
    "Sends",
    "repeat_until_known",
    "repeated",
    "send_once",
]

REPEATED = "anymq-repeated"

MARGIN_S = 0.5
"""How much longer than its own limit a ``send`` may take before core gives it up."""


class Sends(Protocol):
    """What batches leave through: a Broker, or the appending side of a Stream."""

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]: ...


@dataclass(slots=True, eq=False)
class Entry:
    """One awaited publish."""

    message: Message
    future: asyncio.Future[SendResult]
    deadline: float


class SendBatch:
    """Messages that share a send; their results go to one future each, or to one for all."""

    __slots__ = (
        "_on_late",
        "_timer",
        "atomic",
        "deadline",
        "entries",
        "latest",
        "messages",
        "results",
        "whole",
    )

    def __init__(
        self,
        messages: list[Message],
        deadline: float,
        *,
        atomic: bool,
        entries: list[Entry] | None = None,
        whole: asyncio.Future[list[SendResult]] | None = None,
    ) -> None:
        self.messages = messages
        self.deadline = deadline
        """The first moment at which the time of one of its publishes is up."""
        self.latest = deadline
        self.atomic = atomic
        self.entries = entries
        self.whole = whole
        self.results: list[SendResult] = []
        self._timer: asyncio.TimerHandle | None = None
        self._on_late: Callable[[], None] | None = None

    def add(self, entry: Entry) -> None:
        """Let one more publish ride along; each keeps its own time."""
        self.messages.append(entry.message)
        if self.entries is not None:
            self.entries.append(entry)
        if entry.deadline > self.latest:
            self.latest = entry.deadline
        elif entry.deadline < self.deadline:
            self.deadline = entry.deadline
            if self._on_late is not None:
                self.expire_later(self._on_late)

    def begin(self) -> None:
        """It is about to be sent: forget publishes that were cancelled before that."""
        self._disarm()
        if self.entries is not None and any(entry.future.done() for entry in self.entries):
            self._keep([entry for entry in self.entries if not entry.future.done()])
        self._watch()

    def finish(self, results: list[SendResult]) -> None:
        """Hand every publish its result."""
        self._disarm()
        self.results = results
        if self.entries is not None:
            for entry, result in zip(self.entries, results, strict=True):
                if not entry.future.done():
                    entry.future.set_result(result)
        elif self.whole is not None and not self.whole.done():
            self.whole.set_result(results)

    def refuse(self, result: SendResult) -> None:
        """Give every publish the same result."""
        self.finish([result] * len(self.messages))

    def abandon(self, reason: str) -> None:
        """Whatever has no result yet ends as unknown, so that nobody waits for ever."""
        if not self.results:
            self.refuse(Unknown(reason))

    @property
    def is_watched(self) -> bool:
        """Whether somebody is called back when its time is up."""
        return self._timer is not None

    def expire_later(self, callback: Callable[[], None]) -> None:
        """Call back when a publish's time is up and the batch still waits for its turn."""
        self._disarm()
        self._on_late = callback
        self._timer = asyncio.get_running_loop().call_at(self.deadline, callback)

    def refuse_late(self, now: float, result: SendResult) -> int:
        """End those whose time is up, the others wait on; how many those were."""
        late = [e for e in self.entries or () if e.deadline <= now]
        if self.entries is None or len(late) == len(self.entries):
            self.refuse(result)
            return len(self.messages)
        _tell(late, result)
        self._keep([entry for entry in self.entries if entry.deadline > now])
        return len(late)

    def patient(self, indices: list[int], moment: float, results: list[SendResult]) -> list[int]:
        """Those of some publishes that have time beyond a moment; the others get their result."""
        if self.entries is None:
            return indices if self.deadline > moment else []
        kept = []
        for index in indices:
            if self.entries[index].deadline > moment:
                kept.append(index)
            else:
                _tell([self.entries[index]], results[index])
        return kept

    def _watch(self) -> None:
        """While it is sent, the hasty must not wait for the patient."""
        if self.latest - self.deadline > MARGIN_S:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self.deadline + MARGIN_S, self._give_up_late)

    def _give_up_late(self) -> None:
        moment = asyncio.get_running_loop().time() - MARGIN_S
        entries = self.entries or []
        _tell([e for e in entries if e.deadline <= moment], Unknown("no answer in its time"))
        self.deadline = min((e.deadline for e in entries if not e.future.done()), default=moment)
        if self.deadline > moment:
            self._watch()

    def _keep(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.messages = [entry.message for entry in entries]
        self.deadline = min((entry.deadline for entry in entries), default=self.deadline)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_late = None


def _tell(entries: list[Entry], result: SendResult) -> None:
    for entry in entries:
        if not entry.future.done():
            entry.future.set_result(result)


async def repeat_until_known(batch: SendBatch, broker: Sends, clock: Clock) -> None:
    """Send; repeat the entries that ended unknown, same ids, until the time of each is up."""
    loop = asyncio.get_running_loop()
    results = await send_once(broker, batch.messages, batch.latest - loop.time(), batch.atomic)
    backoff = Backoff(first_s=0.05, max_s=1.0)
    unknown = [i for i, result in enumerate(results) if isinstance(result, Unknown)]
    while unknown:
        delay = backoff.next_s()
        unknown = batch.patient(unknown, loop.time() + delay, results)
        if not unknown:
            break
        await asyncio.sleep(delay)
        again = [repeated(batch.messages[i]) for i in unknown]
        part = await send_once(broker, again, batch.latest - loop.time(), batch.atomic)
        for index, result in zip(unknown, part, strict=True):
            results[index] = result
        unknown = [i for i in unknown if isinstance(results[i], Unknown)]
    batch.finish(results)


def repeated(message: Message) -> Message:
    """A copy that says it may have been stored before: its consumer sees ``redelivered``."""
    return replace(message, meta={**message.meta, REPEATED: "1"})


async def send_once(
    broker: Sends, messages: list[Message], timeout_s: float, atomic: bool = False
) -> list[SendResult]:
    """One ``send`` within its time; every way it can fail becomes one result per entry."""
    count = len(messages)
    limit = max(timeout_s, 0.001)
    try:
        async with asyncio.timeout(limit + MARGIN_S):
            results = list(await broker.send(messages, timeout_s=limit, atomic=atomic))
    except TimeoutError:
        return [Unknown(f"no answer within {limit:.3g} s")] * count
    except ClosedError as error:
        return [Rejected("invalid", str(error))] * count
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises, nobody knows what is stored
        return [Unknown(_told(error))] * count
    if len(results) != count:
        return [Unknown(f"the plugin gave {len(results)} results for {count} messages")] * count
    return results


def _told(error: Exception) -> str:
    code = error.code if isinstance(error, AnyMQError) else type(error).__name__
    return f"{code}: {error}"
