"""Which topics and groups were declared: AMQP can ask for a name, but not for all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pamqp.common import FieldTable

from anymq.errors import BackendUnavailable
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.ids import new_id
from anymq.topology import Order
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.log_reading import offset_of, read_present
from anymq_rabbitmq.names import CATALOG
from anymq_rabbitmq.properties import Properties
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["Catalog", "CatalogEntry"]

_MAX_BYTES = 20_000_000
"""The stream's oldest segment goes when there is more; entries are repeated at every declaration
that does not find them."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One topic, or one group of it, by physical names."""

    topic: str
    group: str | None = None
    partitions: int = 1
    order: Order = "none"
    is_removed: bool = field(default=False, compare=False)


class Catalog:
    """A stream queue in which every change is noted as a line of JSON."""

    def __init__(self, link: Link, publisher: Publisher, *, timeout_s: float) -> None:
        self._link = link
        self._publisher = publisher
        self._timeout_s = timeout_s
        self._found: dict[tuple[str, str | None], CatalogEntry] = {}
        self._next = 0
        """The offset to read on from: what is before it is in ``_found``."""
        self._forgotten = 0
        """How often that was in vain, while somebody may have been reading."""
        self._reading = asyncio.Lock()
        """Guards both against a second reader."""

    async def make(self) -> None:
        """Declare the stream. Idempotent."""
        arguments: FieldTable = {"x-queue-type": "stream", "x-max-length-bytes": _MAX_BYTES}
        doing = "declaring the catalog"
        async with scratch_channel(self._link, doing, self._timeout_s) as channel:
            await channel.queue_declare(CATALOG, durable=True, arguments=arguments)

    async def entries(self) -> set[CatalogEntry]:
        """What is declared now. Raises TopologyError where nothing ever was."""
        async with self._reading:
            while True:
                forgotten, start = self._forgotten, self._next or "first"
                lines = await read_present(self._link, CATALOG, start, timeout_s=self._timeout_s)
                if forgotten == self._forgotten:
                    break
            for line in lines:
                offset = offset_of(line)
                if offset >= self._next:
                    self._next = offset + 1
                    self._take(_parse(line.body))
            return set(self._found.values())

    def forget(self) -> None:
        """Read from the beginning next time: the server may be another one, or empty."""
        self._forgotten += 1
        self._next = 0
        self._found.clear()

    def _take(self, entry: CatalogEntry | None) -> None:
        if entry is not None and entry.is_removed:
            self._found.pop((entry.topic, entry.group), None)
        elif entry is not None:
            self._found[entry.topic, entry.group] = entry

    async def add(self, entries: Sequence[CatalogEntry]) -> None:
        """Note them. Raises BackendUnavailable if that is not confirmed."""
        await self._append(entries)

    async def remove(self, topic: str, group: str) -> None:
        """Note that a group is gone."""
        await self._append([CatalogEntry(topic, group, is_removed=True)])

    async def _append(self, entries: Sequence[CatalogEntry]) -> None:
        if not entries:
            return
        missing = Rejected("not_found", "there is no catalog")

        async def prepare() -> list[Parcel | SendResult]:
            return [Parcel("", CATALOG, _properties(), _line(entry), missing) for entry in entries]

        results = await self._publisher.publish(
            prepare, count=len(entries), timeout_s=self._timeout_s
        )
        if not all(isinstance(result, Confirmed) for result in results):
            raise BackendUnavailable("the declaration could not be noted in the catalog")


def _properties() -> Properties:
    return Properties(content_type="application/json", message_id=new_id())


def _line(entry: CatalogEntry) -> bytes:
    facts: dict[str, object] = {"topic": entry.topic, "partitions": entry.partitions}
    if entry.group is not None:
        facts["group"] = entry.group
    if entry.order != "none":
        facts["order"] = entry.order
    if entry.is_removed:
        facts["removed"] = True
    return json.dumps(facts).encode()


def _parse(line: bytes) -> CatalogEntry | None:
    try:
        facts = json.loads(line)
        return CatalogEntry(
            topic=str(facts["topic"]),
            group=facts.get("group"),
            partitions=int(facts.get("partitions", 1)),
            order="key" if facts.get("order") == "key" else "none",
            is_removed=bool(facts.get("removed")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # written by somebody else
