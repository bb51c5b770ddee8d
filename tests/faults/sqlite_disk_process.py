"""A publisher whose disk fails: sends numbers one after the other and prints what became of each.

    python -m tests.faults.sqlite_disk_process FILE COUNT SIZE [PAUSE_S]

Each line is ``N OUTCOME`` (confirmed, or a result's class and code), then ``health STATUS`` at the
end; it goes on reading lines from its standard input: for each it sends one more, until the end.
"""

from __future__ import annotations

import asyncio
import sys
import time

from anymq.abc import BackendContext
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_sqlite.broker import SqliteBroker
from anymq_sqlite.options import SqliteOptions

__all__: list[str] = []


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _told(result: SendResult) -> str:
    if isinstance(result, Confirmed):
        return "confirmed"
    return f"rejected:{result.code}" if isinstance(result, Rejected) else "unknown"


async def _main(file: str, count: str, size: str, pause_s: str = "0") -> None:
    broker = SqliteBroker(SqliteOptions(path=file), BackendContext(SystemClock()))
    await broker.open(lambda _event: None)
    topology = Topology((TopicSpec("t"),), (GroupSpec("t", "g"),))
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=5)

    async def send(number: int) -> None:
        message = Message("t", b"x" * int(size), f"m-{number}", time.time())
        (result,) = await broker.send([message], timeout_s=8)
        _say(f"{number} {_told(result)}")

    _say("open")
    for number in range(int(count)):
        await send(number)
        await asyncio.sleep(float(pause_s))
    _say(f"health {(await broker.health()).status}")
    number = int(count)
    while await asyncio.to_thread(sys.stdin.readline):
        await send(number)
        _say(f"health {(await broker.health()).status}")
        number += 1
    await broker.aclose(timeout_s=5)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
