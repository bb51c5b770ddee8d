"""What every test of the workspace shares: real servers, and the lock of those that measure.

Mark a test `server("redis")`, or use the fixture `redis_url`, and it runs against a real server.
One that cannot be had fails the test in CI and skips it elsewhere; the summary says which and why.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable
from contextlib import nullcontext

import pytest

from tests.exclusive import hold, lock_path
from tests.servers import NAMES, Servers

SERVERS = pytest.StashKey[Servers]()
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


def _teller(config: pytest.Config) -> Callable[[str], None]:
    def tell(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(f"  {line}", flush=True)

    return tell


def _needed(item: pytest.Item) -> set[str]:
    """Return the names of the servers that a test needs."""
    named = {mark.args[0] for mark in item.iter_markers("server")}
    unknown = named - set(NAMES)
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: no such server: {', '.join(sorted(unknown))}")
    return named


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark those that use a server's fixture; keep those that --backend asks for."""
    for item in items:
        for name in NAMES:
            if f"{name}_url" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.server(name))
    if (backend := config.getoption("--backend")) is not None:
        _keep(config, items, backend)


def _keep(config: pytest.Config, items: list[pytest.Item], backend: str) -> None:
    def fits(item: pytest.Item) -> bool:
        needed = _needed(item)
        return backend in needed if backend != "memory" else not needed

    config.hook.pytest_deselected(items=[item for item in items if not fits(item)])
    items[:] = [item for item in items if fits(item)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the chosen tests need, outside the time limit of any of them."""
    if not session.config.option.collectonly and not session.testsfailed:
        needed: Iterable[set[str]] = map(_needed, session.items)
        session.config.stash[SERVERS].start(set().union(*needed))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold the machine-wide lock around a test that measures; waiting is not on its clock."""
    if item.get_closest_marker("exclusive") is None:
        return (yield)
    with hold(lock_path(), wait_s=EXCLUSIVE_WAIT_S, tell=_teller(item.config)) as locked:
        item.stash[LOCKED] = locked
        return (yield)


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
    missing = terminalreporter.config.stash[SERVERS].missing
    if missing:
        terminalreporter.section("servers that could not be had", yellow=True)
    for name, reason in missing.items():
        terminalreporter.write_line(f"{name}: {reason}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this session started."""
    if (servers := config.stash.get(SERVERS, None)) is not None:
        servers.stop()


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
