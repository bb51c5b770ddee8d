"""Sending: one script call per batch, so that a batch is checked and stored in one step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from anymq.errors import AnyMQError
from anymq.message import Message
from anymq.outcome import CONFIRMED, Confirmed, Rejected, SendResult
from anymq_redis.errors import refusal, translate
from anymq_redis.ledger import Call, Ledger
from anymq_redis.link import Argument, Command, Link
from anymq_redis.scripts import script
from anymq_redis.wire import MAX_FIELDS, UnsendableError, encode, fault_of

__all__ = ["Sender", "due_ms", "for_streams", "for_topics", "result_of", "split"]

CHUNK_BYTES = 16 * 1024 * 1024
"""A call larger than this would hold up everybody else on the server."""


Entry = list[Argument]
Build = Callable[[Sequence[Message], Sequence[Entry], bool], tuple[list[str], list[Argument]]]
"""Makes of messages and their entries (all or none?) a script's keys and arguments."""


class Sender:
    """Sends over one connection, so that overlapping calls stay in order."""

    def __init__(
        self,
        link: Link,
        physical: Callable[[str], str],
        *,
        address: str,
        name: str,
        build: Build,
        ledger: Ledger | None = None,
    ) -> None:
        self._ledger = ledger
        self._link = link
        self._physical = physical
        self._address = address
        self._script = name
        self._build = build

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool
    ) -> Sequence[SendResult]:
        """One result each, in order. What a lost reply had confirmed is not sent again."""
        entries = [encode(message) for message in messages]
        ledger = self._ledger
        if ledger is not None and ledger.is_unsure:
            deadline = time.monotonic() + timeout_s
            try:
                await self._link.call("PING", timeout_s=timeout_s)  # connects, which asks
            except AnyMQError as error:
                return [refusal(error)] * len(messages)
            timeout_s = max(0.001, deadline - time.monotonic())
        if ledger is None or not ledger.remembers:
            return await self._send(messages, entries, timeout_s=timeout_s, atomic=atomic)
        taken = [ledger.take(m, entry) for m, entry in zip(messages, entries, strict=True)]
        sent = iter(
            await self._send(
                [m for m, is_there in zip(messages, taken, strict=True) if not is_there],
                [entry for entry, is_there in zip(entries, taken, strict=True) if not is_there],
                timeout_s=timeout_s,
                atomic=atomic,
            )
        )
        return [CONFIRMED if is_there else next(sent) for is_there in taken]

    async def _send(
        self,
        messages: Sequence[Message],
        entries: Sequence[Entry],
        *,
        timeout_s: float,
        atomic: bool,
    ) -> Sequence[SendResult]:
        try:
            return await self._store(messages, entries, timeout_s=timeout_s, atomic=atomic)
        except UnsendableError:
            refused = [fault_of(m, fields) for m, fields in zip(messages, entries, strict=True)]
        if atomic:
            first = next(found for found in refused if found is not None)
            return [found or first for found in refused]
        good = [i for i, found in enumerate(refused) if found is None]
        stored = await self._store(
            [messages[i] for i in good],
            [entries[i] for i in good],
            timeout_s=timeout_s,
            atomic=False,
        )
        results = iter(stored)
        return [found or next(results) for found in refused]

    async def _store(
        self,
        messages: Sequence[Message],
        entries: Sequence[Entry],
        *,
        timeout_s: float,
        atomic: bool,
    ) -> list[SendResult]:
        if not messages:
            return []
        parts = [slice(0, len(messages))] if atomic else split([len(m.body) for m in messages])
        calls = [self._number(messages[part], entries[part]) for part in parts]
        commands = [
            self._command(messages[part], entries[part], atomic, call)
            for part, call in zip(parts, calls, strict=True)
        ]
        try:
            replies = await self._run(commands, calls, timeout_s)
        except UnicodeEncodeError as exc:
            raise UnsendableError from exc
        except AnyMQError as error:
            return [refusal(error)] * len(messages)
        results: list[SendResult] = []
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, Exception):
                failed = refusal(translate(reply, self._address))
                results += [failed] * len(messages[part])
            else:
                results += [
                    result_of(r, m, self._address)
                    for r, m in zip(reply, messages[part], strict=True)
                ]
        return results

    async def _run(
        self, commands: Sequence[Command], calls: Sequence[Call | None], timeout_s: float
    ) -> list[Any]:
        ledger, numbered = self._ledger, [call for call in calls if call is not None]
        if ledger is None:
            return await self._link.run(commands, timeout_s=timeout_s)
        is_answered = False
        try:
            replies = await self._link.run(
                commands, timeout_s=timeout_s, began=lambda: ledger.begin(numbered)
            )
            is_answered = True
        finally:
            ledger.end(numbered, is_answered=is_answered)
        return replies

    def _number(self, messages: Sequence[Message], entries: Sequence[Entry]) -> Call | None:
        return None if self._ledger is None else self._ledger.number(messages, entries)

    def _command(
        self,
        messages: Sequence[Message],
        entries: Sequence[Entry],
        atomic: bool,
        call: Call | None,
    ) -> Command:
        if any(len(fields) > 2 * MAX_FIELDS for fields in entries):
            raise UnsendableError
        topics, arguments = self._build(messages, entries, atomic)
        keys = [self._physical(topic) for topic in topics]
        if call is not None and self._ledger is not None:
            keys.append(self._ledger.marker)
            arguments.insert(1, call.number)
        return (*script(self._script, len(keys)), *keys, *arguments)


def for_topics(
    messages: Sequence[Message], entries: Sequence[Entry], atomic: bool
) -> tuple[list[str], list[Argument]]:
    """Topics and arguments of the script that sends."""
    topics: dict[str, int] = {}
    arguments: list[Argument] = ["1" if atomic else "0"]
    for message, fields in zip(messages, entries, strict=True):
        index = topics.setdefault(message.topic, len(topics) + 1)
        due = "" if message.due_at is None else due_ms(message.due_at)
        arguments += (index, message.partition, message.group or "", message.lane, due)
        arguments.append(len(fields))
        arguments += fields
    return list(topics), arguments


def for_streams(
    records: Sequence[Message], entries: Sequence[Entry], _atomic: bool
) -> tuple[list[str], list[Argument]]:
    """Names and arguments of the script that appends."""
    names: dict[str, int] = {}
    arguments: list[Argument] = ["0"]
    for record, fields in zip(records, entries, strict=True):
        index = names.setdefault(record.topic, len(names) + 1)
        arguments += (index, record.partition, len(fields))
        arguments += fields
    return list(names), arguments


def due_ms(due_at: float) -> str:
    """A moment in whole milliseconds, never before it."""
    return str(-int(-due_at * 1000 // 1))


def split(sizes: Sequence[int]) -> list[slice]:
    """Cut a batch where a call would become too large; never within a message."""
    parts: list[slice] = []
    start = total = 0
    for i, size in enumerate(sizes):
        if total and total + size > CHUNK_BYTES:
            parts.append(slice(start, i))
            start, total = i, 0
        total += size
    parts.append(slice(start, len(sizes)))
    return parts


def result_of(reply: bytes, message: Message, address: str) -> SendResult:
    """What a script's reply says of one message."""
    if not reply:
        return CONFIRMED
    if not reply.startswith(b"!"):
        return Confirmed(reply.decode())
    reason = reply[1:].decode()
    if reason == "no topic":
        return Rejected("not_found", f"{message.topic!r} is not declared")
    if reason == "no group":
        text = f"group {message.group!r} of topic {message.topic!r} is not declared"
        return Rejected("not_found", text)
    return refusal(translate(RuntimeError(reason), address))
