"""Schedules: which ticks are due, and that each of them runs once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anymq import App, ConfigError, Router
from anymq.support.ids import new_id
from anymq.tasks.cron import due_ticks, tick_id
from anymq.tasks.spec import CronSpec
from anymq.testing.fake_clock import FakeClock

__all__: list[str] = []


def spec(
    expression: str, *, timezone: str = "UTC", grace_s: float = 60, all_: bool = False
) -> CronSpec:
    """A schedule."""
    return CronSpec("shop.report", expression, timezone, grace_s, all_, "here:1")


def at(text: str) -> float:
    """Seconds since the epoch of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(ticks: list[datetime]) -> list[str]:
    """In UTC, as people write it."""
    return [tick.astimezone(UTC).strftime("%d %H:%M:%S") for tick in ticks]


@pytest.mark.parametrize(
    ("after", "now", "wanted"),
    [
        ("2026-11-24 01:59:59", "2026-11-24 01:59:59.9", []),
        ("2026-11-24 01:59:59", "2026-11-24 02:00:00", ["24 02:00:00"]),
        ("2026-11-24 01:59:59", "2026-11-24 02:00:59", ["24 02:00:00"]),
        ("2026-11-24 01:59:59", "2026-11-24 02:01:01", []),
        ("2026-11-24 02:00:00", "2026-11-24 02:00:30", []),
    ],
)
def test_a_tick_is_due_from_its_moment_until_its_grace_is_over(
    after: str, now: str, wanted: list[str]
) -> None:
    """And once submitted it is not due again."""
    assert shown(due_ticks(spec("0 2 * * *"), at(after), at(now))) == wanted


def test_of_what_was_missed_the_latest_counts_or_all() -> None:
    """Within the grace."""
    after, now = at("2026-11-24 10:00:00"), at("2026-11-24 10:05:30")

    one = due_ticks(spec("* * * * *", grace_s=200), after, now)
    every = due_ticks(spec("* * * * *", grace_s=200, all_=True), after, now)

    assert shown(one) == ["24 10:05:00"]
    assert shown(every) == ["24 10:03:00", "24 10:04:00", "24 10:05:00"]


def test_time_zones_have_their_own_mornings() -> None:
    """Two in Berlin is one in UTC, in winter."""
    wanted = spec("0 2 * * *", timezone="Europe/Berlin")

    ticks = due_ticks(wanted, at("2026-11-24 00:59:00"), at("2026-11-24 01:00:10"))

    assert shown(ticks) == ["24 01:00:00"]
    assert tick_id(wanted, ticks[0]) == "cron:shop.report:2026-11-24T01:00:00+00:00"


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_day_without_or_with_two_such_hours_has_one_tick(day: str) -> None:
    """Where the clocks change."""
    wanted = spec("30 2 * * *", timezone="Europe/Berlin", grace_s=86_400, all_=True)

    assert len(due_ticks(wanted, at(f"{day} 00:00:00"), at(f"{day} 12:00:00"))) == 1


@pytest.mark.parametrize(
    ("expression", "options", "complaint"),
    [
        ("61 * * * *", {}, "61"),
        ("no schedule", {}, "cron"),
        ("0 0 31 2 *", {}, "cron"),
        ("* * * * *", {"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ("* * * * *", {"misfire_grace_s": 0}, "misfire_grace_s"),
        ("* * * * *", {"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_found_when_it_is_declared(
    expression: str, options: dict[str, object], complaint: str
) -> None:
    """Not at two in the morning."""
    app = App("memory://x")

    with pytest.raises(ConfigError, match=complaint):

        @app.cron(expression, **options)  # type: ignore[arg-type]
        async def report() -> None: ...


def test_a_scheduled_task_takes_no_arguments() -> None:
    """Nobody would give them."""
    router = Router()

    with pytest.raises(ConfigError, match="'day'"):

        @router.cron("* * * * *")
        async def report(day: str) -> None: ...


async def test_a_grace_longer_than_results_are_kept_is_refused() -> None:
    """A tick would be forgotten, and run again."""
    app = App(f"memory://{new_id()}")

    @app.cron("* * * * *", misfire_grace_s=80_000)
    async def report() -> None: ...

    with pytest.raises(ConfigError, match="keep_results_s"):
        await app.start()


async def test_each_tick_runs_once_with_three_instances() -> None:
    """One of which leaves, and comes back later."""
    clock, ran, url = FakeClock(at("2026-11-24 10:00:30")), list[str](), f"memory://{new_id()}"

    def make() -> App:
        app = App(url, clock=clock)

        @app.cron("* * * * *", name="tick")
        async def tick() -> None:
            ran.append(datetime.fromtimestamp(clock.time(), UTC).strftime("%H:%M"))

        return app

    apps = [make() for _ in range(3)]
    for app in apps:
        await app.start()
    await clock.advance(3 * 60)
    await apps[0].close()
    await clock.advance(3 * 60)
    late = make()
    await late.start()
    await clock.advance(3 * 60)
    for app in (*apps, late):
        await app.close()

    # The first is made up for: it was missed within its grace.
    assert ran == [f"10:{minute:02}" for minute in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)]


async def test_a_tick_whose_submitter_died_is_submitted_by_another() -> None:
    """The job was noted, and its message never sent."""
    clock, ran, url = FakeClock(at("2026-11-24 10:00:59")), list[float](), f"memory://{new_id()}"
    app = App(url, clock=clock)

    @app.cron("* * * * *", name="tick", misfire_grace_s=1)
    async def tick() -> None:
        ran.append(clock.time())

    await app.start()
    client = await app._lifecycle.tasks.client()
    send, lost = client._send, list[str]()

    async def die(job_id: str, body: bytes, given: object) -> None:
        if lost:
            await send(job_id, body, given)  # type: ignore[arg-type]
        lost.append(job_id)

    client._send = die  # type: ignore[method-assign]
    await clock.advance(20)
    await app.close()

    assert lost == ["cron:tick:2026-11-24T10:01:00+00:00"]
    assert len(ran) == 1
