"""The JobStore on Redis: one hash per job, with an expiry; changes are pushed to lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from anymq.abc import BackendContext, JobRecord, JobStore
from anymq.errors import ClosedError
from anymq_redis.condition import Condition
from anymq_redis.link import Command, Link
from anymq_redis.options import RedisOptions
from anymq_redis.pipeline import Pipeline
from anymq_redis.probe import probe
from anymq_redis.scripts import script

__all__ = ["RedisJobStore"]

KEPT_MS = 30_000
"""How long what was pushed waits for a watcher that may be gone."""
FIELDS = ("state", "version", "result", "error", "progress", "expires_at")


class RedisJobStore(JobStore):
    """Concurrent calls share round trips; whoever waits for changes blocks on a list of its own."""

    def __init__(self, options: RedisOptions, context: BackendContext) -> None:
        self._options = options
        self._physical = context.physical
        self._clock = context.clock
        self._client_id = context.client_id
        self._condition = Condition(options.address)
        self._link = self._make_link("jobs")
        self._pipeline = Pipeline(self._link, options)
        self._watcher = self._make_link("job-watcher")
        self._is_closed = False

    async def open(self) -> None:
        is_open = False
        try:
            await probe(self._link, self._options)
            is_open = True
        finally:
            if not is_open:
                await self._link.aclose()

    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        commands: list[Command] = [
            (*script("job_create", 1), self._key(record.id), _expiry(record), *_fields(record))
            for record in records
        ]
        return [bool(reply) for reply in await self._do(commands)]

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        commands: list[Command] = [("HMGET", self._key(job_id), *FIELDS) for job_id in ids]
        replies = await self._do(commands)
        return [_record(job_id, reply) for job_id, reply in zip(ids, replies, strict=True)]

    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        key = self._key(record.id)
        (reply,) = await self._do(
            [
                (
                    *script("job_replace", 2),
                    key,
                    f"{key}:watchers",
                    expected_version,
                    record.id,
                    KEPT_MS,
                    _expiry(record),
                    *_fields(record),
                )
            ]
        )
        return bool(reply)

    async def claim_tick(self, schedule: str, tick: str, *, ttl_s: float) -> bool:
        key = f"anymq:tick:{{{self._physical(schedule)}}}:{tick}"
        if ttl_s <= 0:
            return not (await self._do([("EXISTS", key)]))[0]
        (reply,) = await self._do([("SET", key, "1", "NX", "PX", max(1, int(ttl_s * 1000)))])
        return reply is not None

    async def changed(self, ids: Sequence[str], *, wait_s: float) -> Sequence[str]:
        self._check_open()
        inbox = f"anymq:watch:{uuid4().hex}"
        sets = [f"{self._key(job_id)}:watchers" for job_id in ids]
        kept_ms = int(wait_s * 1000) + KEPT_MS
        watch: list[Command] = [("SADD", name, inbox) for name in sets]
        watch += [("PEXPIRE", name, kept_ms) for name in sets]
        await self._do(watch)
        limit_s = wait_s + self._options.request_timeout_s
        try:
            first = await self._watcher.call("BLPOP", inbox, max(0.01, wait_s), timeout_s=limit_s)
        finally:
            if not self._is_closed:
                await self._do([("SREM", name, inbox) for name in sets])
        if first is None:
            return []
        more, _ = await self._do([("LRANGE", inbox, 0, -1), ("DEL", inbox)])
        return list(dict.fromkeys(_text(found) for found in (first[1], *more)))

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True
        await self._link.aclose()
        await self._watcher.aclose()

    async def _do(self, commands: list[Command]) -> list[Any]:
        self._check_open()
        return await self._pipeline.do_all(commands) if commands else []

    def _key(self, job_id: str) -> str:
        return f"anymq:job:{{{self._physical(job_id)}}}"

    def _make_link(self, purpose: str) -> Link:
        return Link(self._options, self._condition, name=f"{self._client_id}-{purpose}")

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("this job store is closed")


def _fields(record: JobRecord) -> tuple[bytes | str | int, ...]:
    """Names and values; what is None is left out."""
    fields: list[bytes | str | int] = ["state", record.state, "version", record.version]
    for name in ("result", "error", "progress"):
        value = getattr(record, name)
        if value is not None:
            fields += [name, value]
    if record.expires_at is not None:
        fields += ["expires_at", repr(record.expires_at)]
    return tuple(fields)


def _expiry(record: JobRecord) -> str | int:
    return "" if record.expires_at is None else int(record.expires_at * 1000)


def _record(job_id: str, reply: Sequence[bytes | None]) -> JobRecord | None:
    state, version, result, error, progress, expires_at = reply
    if state is None or version is None:
        return None
    moment = None if expires_at is None else float(expires_at)
    found: Any = state.decode()
    return JobRecord(job_id, found, int(version), result, error, progress, moment)


def _text(value: bytes) -> str:
    return value.decode()
