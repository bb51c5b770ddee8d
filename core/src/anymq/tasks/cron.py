"""Schedules: each tick is a job whose id is the tick's, so it runs once, whoever submits it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from anymq.errors import AnyMQError, ConfigError
from anymq.tasks.options import Submission

if TYPE_CHECKING:
    from anymq.support.clock import Clock
    from anymq.tasks.batcher import Spawn
    from anymq.tasks.client import TaskClient
    from anymq.tasks.spec import CronSpec, TaskSpec

__all__ = ["Scheduler", "check_schedule", "due_ticks", "tick_id"]

LONGEST_SLEEP_S = 30.0
"""The wall clock may be set meanwhile."""
AGAIN_S = 1.0
LOST_AFTER_S = 5.0
LOOK_AGAIN_S = LOST_AFTER_S + 1.0
"""Every instance submits a tick twice: the one that was first may have died before it sent it."""


class Scheduler:
    """One loop per schedule, in every instance that serves jobs."""

    def __init__(
        self,
        schedules: Sequence[CronSpec],
        specs: Mapping[str, TaskSpec],
        client: TaskClient,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._schedules = schedules
        self._specs = specs
        self._client = client
        self._clock = clock
        self._spawn = spawn
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, with what was missed within the schedules' grace."""
        self._tasks = [self._spawn(self._run(spec)) for spec in self._schedules]

    def stop(self) -> None:
        """Submit nothing more."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, spec: CronSpec) -> None:
        done_until = self._clock.time() - spec.misfire_grace_s
        again: list[tuple[float, datetime]] = []
        while True:
            now = self._clock.time()
            for tick in due_ticks(spec, done_until, now):
                await self._submit(spec, tick)
                again.append((tick.timestamp() + LOOK_AGAIN_S, tick))
            done_until = max(done_until, now)
            while again and again[0][0] <= now:
                await self._submit(spec, again.pop(0)[1])
            wake_at = next(_ticks(spec, done_until)).timestamp()
            if again:
                wake_at = min(wake_at, again[0][0])
            rest_s = max(0.0, wake_at - self._clock.time())
            await self._clock.sleep(min(rest_s, LONGEST_SLEEP_S))

    async def _submit(self, spec: CronSpec, tick: datetime) -> None:
        """Submit one tick; tried for as long as its grace lasts."""
        task = self._specs[spec.task]
        given = Submission(
            queue=task.queue,
            keep_result=False,
            job_id=tick_id(spec, tick),
            lost_after_s=LOST_AFTER_S,
        )
        while True:
            try:
                await self._client.submit(task.name, {}, given)
            except AnyMQError:
                if self._clock.time() > tick.timestamp() + spec.misfire_grace_s:
                    return
                await self._clock.sleep(AGAIN_S)
            else:
                return


def check_schedule(spec: CronSpec) -> None:
    """Raise ConfigError for what is no schedule."""
    where = f"cron({spec.expression!r}) of task {spec.task!r} ({spec.declared_at})"
    try:
        ZoneInfo(spec.timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"{where}: there is no time zone {spec.timezone!r}") from None
    if not spec.misfire_grace_s > 0:
        raise ConfigError(f"{where}: misfire_grace_s={spec.misfire_grace_s} must be more than 0")
    try:
        next(_ticks(spec, 0.0))
    except (CronSimError, StopIteration) as error:
        raise ConfigError(f"{where}: {str(error) or 'it never comes'}") from None


def due_ticks(spec: CronSpec, after: float, now: float) -> list[datetime]:
    """The ticks in (after, now] that are to be submitted: all, or the latest, within the grace."""
    earliest = max(after, now - spec.misfire_grace_s)
    found: list[datetime] = []
    for tick in _ticks(spec, earliest):
        if tick.timestamp() > now:
            break
        found.append(tick)
    return found if spec.catch_up else found[-1:]


def tick_id(spec: CronSpec, tick: datetime) -> str:
    """The id of a tick's job: the same in every instance."""
    return f"cron:{spec.task}:{tick.astimezone(UTC).isoformat()}"


def _ticks(spec: CronSpec, after: float) -> Iterator[datetime]:
    # CronSim counts in whole seconds and leaves out its start, so begin a second early.
    start = datetime.fromtimestamp(after, ZoneInfo(spec.timezone)).replace(microsecond=0)
    for tick in CronSim(spec.expression, start - timedelta(seconds=1)):
        if tick.timestamp() > after:
            yield tick
