"""An application as a process: its signals, its drain, its exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from anymq import AccessDenied, App, BackendUnavailable
from anymq.config import Settings
from anymq.memory.space import space_named
from anymq.runtime.runner import serve_app
from anymq.urls import parse_url
from tests.unit.core.doubles import turns, until

PROGRAM = """
import asyncio, sys
from anymq import AccessDenied, App
from anymq.runtime.runner import run_app

app = App("memory://program")

@app.subscriber("t", group="g")
async def handle(body: str) -> None:
    if body == "fail":
        raise AccessDenied("no")
    print("begun", flush=True)
    try:
        await asyncio.sleep(float(body))
        print("ended", flush=True)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

@app.subscriber("start")
async def never(body: str) -> None: ...

original = app.start

async def start() -> None:
    await original()
    await app.publish("t", sys.argv[1])
    if sys.argv[1] == "0":
        print("running", flush=True)

app.start = start
sys.exit(run_app(app))
"""


@contextmanager
def process(body: str) -> Iterator[subprocess.Popen[str]]:
    """The program above, whose handler gets ``body``; it is gone afterwards."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANYMQ_")}
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), body],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=10)


def line(child: subprocess.Popen[str]) -> str:
    """The next line the program prints."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_the_status_is_zero(number: signal.Signals) -> None:
    """The running handler ends first."""
    with process("0.3") as child:
        assert line(child) == "begun"
        child.send_signal(number)
        assert line(child) == "ended"
        assert child.wait(10) == 0


def test_a_second_signal_does_not_wait() -> None:
    """Handlers that still run are cancelled; the status is zero all the same."""
    with process("3600") as child:
        assert line(child) == "begun"
        child.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.2)
        child.send_signal(signal.SIGTERM)
        assert line(child) == "cancelled"
        assert child.wait(10) == 0


def test_a_subscriber_that_ends_for_good_ends_the_process() -> None:
    """With status one, so that whoever runs it starts it again."""
    with process("fail") as child:
        assert child.wait(10) == 1


async def test_a_stop_that_was_asked_for_before_the_backend_came_ends_the_start(url: str) -> None:
    """Not only after the connect timeout."""
    app, stop = App(url), asyncio.Event()
    space_named(url.removeprefix("memory://")).outage = "booting"
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        serving = group.create_task(serve_app(app, stop=stop))
        await until(lambda: app.state == "starting")
        stop.set()

    assert serving.result() == 0
    assert app.state == "closed"


async def test_a_start_that_fails_raises_what_it_raised(url: str) -> None:
    """As it is, and the application is closed."""
    app = App(settings=Settings(url=parse_url(url), connect_wait_s=0.01))
    space_named(url.removeprefix("memory://")).outage = "no power"

    with pytest.raises(BackendUnavailable, match="no power"):
        await serve_app(app)
    assert app.state == "closed"


async def test_serving_ends_with_its_event_or_with_a_subscriber(url: str) -> None:
    """Zero when stopped, one when something ended for good."""
    stop = asyncio.Event()
    app, failing = App(url), App(f"{url}-2")

    @failing.subscriber("t", group="g")
    async def handle(body: int) -> None:
        raise AccessDenied("no")

    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(serve_app(app, stop=stop))
        failed = group.create_task(serve_app(failing))
        await until(lambda: app.state == failing.state == "running")
        await failing.publish("t", 1)
        await until(failed.done)
        await turns()
        assert not stopped.done()
        stop.set()

    assert (stopped.result(), failed.result()) == (0, 1)


async def test_signals_are_the_processs_again_afterwards(url: str) -> None:
    """Nothing of ours is left to hear them."""
    stop = asyncio.Event()
    stop.set()
    await serve_app(App(url), stop=stop)

    assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
