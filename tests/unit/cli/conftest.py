"""A folder with an application in it, a memory space of its own, and a way to run commands."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from anymq.abc import BackendContext
from anymq.cli import main
from anymq.message import Message
from anymq.options import BackendOptions
from anymq.plugins import Registry
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from tests.unit.plugins.conftest import PLUGIN, Site
from tests.unit.plugins.conftest import site as site  # noqa: PLC0414 - a fixture for these tests

__all__ = ["DRIVER", "MARS", "Result", "Run", "Site", "Space"]

SHOP = """
from anymq import App

app = App()
app.topic("orders", partitions=2, retention_s=3600, durability="none")

@app.subscriber("orders", group="billing", order="key")
async def bill(order: dict) -> None:
    return None

not_an_app = 7
"""


DRIVER = (
    PLUGIN.replace("bucket: str", "bucket: str = ''").replace(
        "package=", "broker=lambda options, context: Driver(options), package="
    )
    + """
    from anymq.abc import Health

    class Driver:
        def __init__(self, options):
            self.options = options

        async def open(self, events):
            if self.options.bucket == "raises":
                raise LookupError("no such place")
            if self.options.bucket == "hangs":
                import asyncio
                await asyncio.Event().wait()
            return Capabilities({{}}, frozenset())

        async def health(self):
            return Health("down", "tired") if self.options.bucket == "down" else Health("up")

        async def aclose(self, *, timeout_s):
            pass
"""
)


MARS = """
from dataclasses import replace

from anymq.memory import plugin
from anymq.plugins import hookimpl

@hookimpl
def anymq_backends():
    for descriptor in plugin.anymq_backends():
        yield replace(descriptor, name="mars", schemes=("mars",))
"""


@dataclass
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with shop.py; no variable of ours is set."""
    for name in [name for name in os.environ if name.startswith("ANYMQ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "shop.py").write_text(SHOP)
    yield tmp_path
    sys.modules.pop("shop", None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``anymq`` in this process."""

    def command(*arguments: str) -> Result:
        capsys.readouterr()
        sys.modules.pop("shop", None)  # every command is a new process, elsewhere
        code = main(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@dataclass
class Space:
    """A memory space that outlives the commands, seen through its Broker."""

    url: str

    def declare(self, *groups: str, topic: str = "orders") -> None:
        """Make a topic with groups."""
        topology = Topology((TopicSpec(topic, 2),), tuple(GroupSpec(topic, g) for g in groups))
        asyncio.run(self._with_broker(topology, ()))

    def send(self, *messages: Message) -> None:
        """Put messages where their address says."""
        asyncio.run(self._with_broker(Topology(), messages))

    async def _with_broker(self, topology: Topology, messages: Sequence[Message]) -> None:
        from anymq.config import build_options
        from anymq.urls import parse_url

        url = parse_url(self.url)
        descriptor = Registry().descriptor(url.scheme)
        assert descriptor.broker is not None
        options: BackendOptions = build_options(descriptor.options, url)
        broker = descriptor.broker(options, BackendContext(SystemClock()))
        await broker.open(lambda event: None)
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=5)
        await broker.send(messages, timeout_s=5)
        await broker.aclose(timeout_s=5)


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Space:
    """An empty space, configured as the backend."""
    url = f"memory://cli-{uuid.uuid4().hex}"
    monkeypatch.setenv("ANYMQ_URL", url)
    return Space(url)
