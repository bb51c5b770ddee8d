"""``app.sync``: the application for scripts and plain handlers."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from anymq import App, ClosedError, Confirmed, InvalidState, PublishRejected
from tests.unit.core.doubles import until


def test_a_script_publishes_asks_and_consumes(app: App) -> None:
    """The application runs in a thread of its own for the block."""
    done = threading.Event()

    @app.subscriber("t", group="g")
    async def handle(body: int) -> int:
        if body == 3:
            done.set()
        return body * 2

    with app.sync as s:
        assert s.publish("t", 1, message_id="m1") == "m1"
        results = s.publish_many("t", [2, 3])
        assert all(isinstance(result, Confirmed) for result in results)
        assert s.request("t", 21, timeout_s=5) == 42
        assert done.wait(5)

    assert app.state == "closed"
    assert not any(thread.name == "anymq-sync" for thread in threading.enumerate())


def test_an_error_of_the_start_is_raised_by_with(url: str) -> None:
    """The script does not go on with an application that does not run."""
    app = App(f"{url}?native=none")

    @app.subscriber("t", group="g", order="key")
    async def handle(body: int) -> None: ...

    with pytest.raises(Exception, match="order_by_key"):
        app.sync.__enter__()


def test_an_error_of_a_call_is_the_calls(app: App) -> None:
    """Typed as from the coroutine."""
    with app.sync as s, pytest.raises(PublishRejected):
        s.publish("unknown", 1)


def test_a_closed_application_cannot_be_entered_again(app: App) -> None:
    """Close is final; the second ``with`` says so."""
    with app.sync:
        pass
    with pytest.raises(ClosedError):
        app.sync.__enter__()


def test_without_a_running_application_there_is_nothing_to_call(app: App) -> None:
    """The text says how to have one; nothing is left unawaited."""
    for call in (
        lambda: app.sync.publish("t", 1),
        lambda: app.sync.publish_many("t", [1]),
        lambda: app.sync.request("t", 1),
    ):
        with pytest.raises(InvalidState, match=r"with app\.sync as s"):
            call()


def test_after_the_block_there_is_nothing_to_call(app: App) -> None:
    """Its loop is closed."""
    with app.sync:
        pass
    with pytest.raises(InvalidState, match="not running"):
        app.sync.publish("t", 1)


async def test_on_the_loop_itself_it_would_wait_for_itself(app: App) -> None:
    """The text says what to call instead."""
    app.topic("t")
    async with app:
        with pytest.raises(InvalidState, match=r"await app\.publish"):
            app.sync.publish("t", 1)


async def test_a_plain_handler_publishes_from_its_thread(app: App) -> None:
    """On the application that runs it."""
    app.topic("out")
    ids: list[str] = []

    @app.subscriber("t", group="g")
    def handle(body: int) -> None:
        ids.append(app.sync.publish("out", body))

    async with app:
        await app.publish("t", 1)
        await until(lambda: len(ids) == 1)


def test_a_call_has_a_limit_of_its_own(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the loop does meanwhile."""
    monkeypatch.setattr("anymq.portable.sync_app.MARGIN_S", 0.01)

    async def never(*args: Any, **options: Any) -> Any:
        import asyncio

        await asyncio.Event().wait()

    with app.sync as s:
        monkeypatch.setattr(app, "publish", never)
        with pytest.raises(TimeoutError, match=r"no answer from the application within 0\.01 s"):
            s.publish("t", 1, timeout_s=0.01)


def test_a_start_that_never_ends_is_given_up(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script gets its error in time."""
    monkeypatch.setattr("anymq.portable.sync_app.START_S", 0.01)
    release = threading.Event()

    def slowly() -> None:
        release.wait(5)

    monkeypatch.setattr(app.sync, "_run", slowly)
    with pytest.raises(TimeoutError, match="did not start within"):
        app.sync.__enter__()
    release.set()
