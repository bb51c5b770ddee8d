"""Declaring Streams, and finding what was declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anymq.abc import StreamSpec
from anymq.errors import TopologyError, UnsupportedError
from anymq.topology import TopologyMode
from anymq_redis.errors import translate
from anymq_redis.keys import LogKeys
from anymq_redis.link import Command, Link
from anymq_redis.options import RedisOptions

__all__ = ["LogDeclarations"]


class LogDeclarations:
    """What Streams exist on the server, through one connection."""

    def __init__(self, link: Link, physical: Callable[[str], str], options: RedisOptions) -> None:
        self._link = link
        self._physical = physical
        self._options = options
        self._made: dict[str, StreamSpec] = {}

    def has_made(self, stream: str, _group: str | None = None) -> bool:
        """Whether this process declared the Stream."""
        return stream in self._made

    async def renew(self, *, timeout_s: float) -> None:
        """Make what this process declared and the server has lost."""
        await self.declare(tuple(self._made.values()), TopologyMode.MANAGE, timeout_s=timeout_s)

    def keys(self, stream: str) -> LogKeys:
        """The keys of a Stream, by its logical name."""
        return LogKeys(self._physical(stream))

    async def declare(
        self, specs: Sequence[StreamSpec], mode: TopologyMode, *, timeout_s: float
    ) -> None:
        """Make, check or trust. Raises TopologyError, UnsupportedError, BackendUnavailable."""
        if mode is TopologyMode.ASSUME or not specs:
            return
        for spec in specs:
            if spec.max_bytes is not None:
                raise UnsupportedError(
                    f"redis cannot limit stream {spec.name!r} by bytes: use max_records"
                )
        is_made = mode is TopologyMode.MANAGE
        commands: list[Command] = []
        for spec in specs:
            meta = self.keys(spec.name).meta
            if is_made:
                commands.append(("HSETNX", meta, "partitions", spec.partitions))
            commands.append(("HGET", meta, "partitions"))
        replies = await self.run(commands, timeout_s=timeout_s)
        found = replies[1::2] if is_made else replies
        for spec, partitions in zip(specs, found, strict=True):
            _check(spec, partitions)
        if is_made:
            await self.run([self._limits(spec) for spec in specs], timeout_s=timeout_s)
            self._made.update((spec.name, spec) for spec in specs)

    async def partitions(self, stream: str) -> int:
        """How many partitions it has. Raises TopologyError."""
        timeout_s = self._options.request_timeout_s
        command = ("HGET", self.keys(stream).meta, "partitions")
        (found,) = await self.run([command], timeout_s=timeout_s)
        if found is None and self.has_made(stream):
            await self.renew(timeout_s=timeout_s)
            return self._made[stream].partitions
        if found is None:
            raise TopologyError(_missing(stream))
        return int(found)

    async def run(self, commands: Sequence[Command], *, timeout_s: float) -> list[Any]:
        """Carry out commands; raise what any reply says, translated."""
        replies = await self._link.run(commands, timeout_s=timeout_s)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, self._options.address) from reply
        return replies

    def _limits(self, spec: StreamSpec) -> Command:
        age_ms = "" if spec.max_age_s is None else max(1, int(spec.max_age_s * 1000))
        records = "" if spec.max_records is None else spec.max_records
        meta = self.keys(spec.name).meta
        return ("HSET", meta, "max_records", records, "max_age_ms", age_ms)


def _check(spec: StreamSpec, partitions: bytes | None) -> None:
    if partitions is None:
        raise TopologyError(_missing(spec.name))
    if int(partitions) != spec.partitions:
        raise TopologyError(
            f"stream {spec.name!r} has {int(partitions)} partition(s), not {spec.partitions}"
        )


def _missing(stream: str) -> str:
    return (
        f"stream {stream!r} does not exist: run 'anymq topology apply' or set topology = \"manage\""
    )
