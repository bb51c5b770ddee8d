"""What every test of the workspace shares: real servers, and the lock of those that measure.

Mark a test `server("redis")`, or use the fixture `redis_url`, and it runs against a real server.
One that cannot be had fails the test in CI and skips it elsewhere; the summary says which and why.
In a parallel session the tests that count what one server has stay in one process, and a test that
measures, or breaks a server that others use, runs while the other processes wait.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.exclusive import hold, lock_path
from tests.scheduling import GroupScheduling, group_of, write_groups
from tests.servers import NAMES, Servers
from tests.turns import turn

SERVERS = pytest.StashKey[Servers]()
TURNS = pytest.StashKey[TemporaryDirectory[str]]()
LOCKED = pytest.StashKey[bool]()
EXCLUSIVE_WAIT_S = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --backend, by which tox splits its matrix."""
    parser.addoption(
        "--backend",
        choices=["memory", *NAMES],
        help="run only what needs this server (memory: only what needs none)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the servers of this session; let Ctrl-C be heard."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell starts what runs in the background; tests that interrupt themselves need it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SERVERS] = Servers(tell=_teller(config))
    if not _shared(config):
        config.stash[TURNS] = TemporaryDirectory(prefix="anymq-turns-")


def _shared(config: pytest.Config) -> dict[str, str]:
    """Return what the parent process of a parallel session handed to this one; empty elsewhere."""
    handed: dict[str, str] = getattr(config, "workerinput", {})
    return handed


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Hand a process of a parallel session the folder by which they take turns."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    node.workerinput["turns"] = config.stash[TURNS].name  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests together that count what one server has."""
    return GroupScheduling(config, log, Path(config.stash[TURNS].name))


def _teller(config: pytest.Config) -> Callable[[str], None]:
    silent = _shared(config).get("workerid", "gw0") != "gw0"  # all of them would say the same
    stream = sys.__stderr__ if _shared(config) else sys.__stdout__

    def tell(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if not silent:
                print(f"  {line}", flush=True, file=stream)

    return tell


def _needed(item: pytest.Item) -> set[str]:
    """Return the names of the servers that a test needs."""
    named = {mark.args[0] for mark in item.iter_markers("server")}
    unknown = named - set(NAMES)
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: no such server: {', '.join(sorted(unknown))}")
    return named


def _measures(item: pytest.Item) -> bool:
    return item.get_closest_marker("exclusive") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Mark those that use a server's fixture; keep those that --backend asks for."""
    for item in items:
        for name in NAMES:
            if f"{name}_url" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.server(name))
    result = yield
    if (backend := config.getoption("--backend")) is not None:
        _keep(config, items, backend)
    return result


def _keep(config: pytest.Config, items: list[pytest.Item], backend: str) -> None:
    def fits(item: pytest.Item) -> bool:
        needed = _needed(item)
        return backend in needed if backend != "memory" else not needed

    config.hook.pytest_deselected(items=[item for item in items if not fits(item)])
    items[:] = [item for item in items if fits(item)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the chosen tests need, outside the time limit of any of them."""
    folder = _shared(session.config).get("turns")
    if folder:
        items = session.items
        groups = {item.nodeid: group_of(_needed(item), alone=_measures(item)) for item in items}
        write_groups(Path(folder), {name: group for name, group in groups.items() if group})
    if not session.config.option.collectonly and not session.testsfailed:
        needed: Iterable[set[str]] = map(_needed, session.items)
        servers = session.config.stash[SERVERS]
        servers.start(set().union(*needed))
        if folder:
            servers.tell_parent(Path(folder))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait until it is this test's turn, which is not on its clock.

    One that measures holds the machine-wide lock, and the other processes of its session wait.
    """
    measures = _measures(item)
    with ExitStack() as stack:
        if measures:
            lock = hold(lock_path(), wait_s=EXCLUSIVE_WAIT_S, tell=_teller(item.config))
            item.stash[LOCKED] = stack.enter_context(lock)
        stack.enter_context(_turn(item.config, alone=measures))
        return (yield)


def _turn(config: pytest.Config, *, alone: bool) -> AbstractContextManager[None]:
    folder = _shared(config).get("turns")
    return turn(Path(folder), alone=alone) if folder else nullcontext()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test whose lock or server cannot be had."""
    if not item.stash.get(LOCKED, True):
        pytest.fail(f"the exclusive lock was not free within {EXCLUSIVE_WAIT_S} s", pytrace=False)
    missing = item.config.stash[SERVERS].missing
    for name in sorted(_needed(item) & missing.keys()):
        reason = f"no {name} server: {missing[name]}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers were missing and why, just before pytest's own last line."""
    config: pytest.Config = terminalreporter.config
    servers = config.stash[SERVERS]
    if (folder := config.stash.get(TURNS, None)) is not None:
        servers.hear_children(Path(folder.name))
    missing = servers.missing
    if missing:
        terminalreporter.section("servers that could not be had", yellow=True)
    for name, reason in missing.items():
        terminalreporter.write_line(f"{name}: {reason}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this session started."""
    if (folder := config.stash.get(TURNS, None)) is not None:
        config.stash[SERVERS].hear_children(Path(folder.name))
        config.stash[SERVERS].stop()
        folder.cleanup()


@pytest.fixture
def redis_url() -> str:
    """Where the Redis server is."""
    return os.environ["ANYMQ_TEST_REDIS_URL"]


@pytest.fixture
def rabbitmq_url() -> str:
    """Where the RabbitMQ server is."""
    return os.environ["ANYMQ_TEST_RABBITMQ_URL"]


@pytest.fixture
def kafka_url() -> str:
    """Where the Kafka server is."""
    return os.environ["ANYMQ_TEST_KAFKA_URL"]


@pytest.fixture
def postgres_url() -> str:
    """Where the PostgreSQL server is."""
    return os.environ["ANYMQ_TEST_POSTGRES_URL"]
