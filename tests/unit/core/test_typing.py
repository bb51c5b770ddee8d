"""What users write is typed: a small program passes mypy in strict mode, mistakes do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fast_depends import Depends

from anymq import (
    Ack, App, Context, DeadLetter, Delivery, Outcome, Retry, RetryPolicy, Router,
)
from anymq.middleware import Call


@dataclass
class MessengerHired:
    name: str
    age: int


@dataclass
class Pool:
    size: int


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[Pool]:
    yield Pool(5)


async def timing(delivery: Delivery, call_next: Call) -> Outcome:
    return await call_next(delivery)


def today() -> str:
    return "2022-03-16"


app = App("memory://typed", lifespan=lifespan, middleware=[timing])
newstopic = app.topic("newstopic", partitions=3)
router = Router(prefix="desk.")
"""
BODY = """

@app.subscriber(
    newstopic, group="registry", concurrency=8,
    retry=RetryPolicy(max_attempts=5, first_delay_s=1, on=(ValueError, TypeError)),
)
@app.publisher("out")
async def register(
    hired: MessengerHired, delivery: Delivery, context: Context[Pool],
    day: Annotated[str, Depends(today)],
) -> str | Outcome:
    if context.state.size == 0:
        return Retry(5)
    if hired.age < 12:
        return DeadLetter(f"too young: {hired.name}")
    if delivery.headers.get("kind") == "test":
        return Ack()
    await delivery.publish("audit", {"day": day})
    return hired.name


@router.subscriber("sales", batch_size=50, filter={"kind": "sale"})
def tally(sales: list[MessengerHired]) -> None: ...


@app.on_error
async def failed(delivery: Delivery, error: BaseException) -> None: ...


@app.on_event
def heard(event: object) -> None: ...


app.include(router, prefix="x.")


async def main() -> None:
    async with app:
        message_id: str = await app.publish(newstopic, MessengerHired("Tom", 13), key="vendor-2")
        for result in await app.publish_many(newstopic, [1, 2], keys=["a", None]):
            print(message_id, result)
        app.consumers["register"].set_concurrency(4)
        health = await app.health()
        ready: bool = health.ready
        for entry in await app.dead_letters.entries(newstopic, "registry"):
            print(entry.message.body.decode(), ready)


def script() -> str:
    with app.sync as s:
        return s.publish(newstopic, 1)
"""
MISTAKES = {
    "await app.publish(topic=newstopic)": "call-arg",
    "register.nowhere": "attr-defined",
    'RetryPolicy(max_attempts="5")': "arg-type",
    'app.subscriber("t", order="time")': "arg-type",
    "app.consumers[0]": "index",
}


def check(folder: Path, source: str) -> str:
    """What mypy says; "" if it has nothing to say."""
    program = folder / "program.py"
    program.write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(program)]
    command += [f"--cache-dir={folder.parent.parent / 'mypy'}", "--config-file=/dev/null"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False).stdout


@pytest.mark.timeout(120)
def test_what_users_write_is_typed_and_mistakes_are_found(tmp_path: Path) -> None:
    """The program of the documentation is accepted; each of some mistakes is an error."""
    lines = "\n".join(f"    {mistake}" for mistake in MISTAKES)
    assert check(tmp_path, HEAD + BODY) == ""

    said = check(tmp_path, HEAD + BODY + f"\n\nasync def mistakes() -> None:\n{lines}\n")

    first = (HEAD + BODY).count("\n") + 4
    for offset, kind in enumerate(MISTAKES.values()):
        found = [line for line in said.splitlines() if f":{first + offset}:" in line]
        assert found, f"no error in line {first + offset}:\n{said}"
        assert any(f"[{kind}]" in line for line in found), found
