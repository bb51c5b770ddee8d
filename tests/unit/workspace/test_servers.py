"""How a test session finds its servers, and what it says when it does not."""

from __future__ import annotations

import pytest

from tests.servers import explain, exports

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import *
import tests.servers

class _Servers(tests.servers.Servers):
    def start(self, names):
        self.missing.update({name: "it could not be fetched" for name in names})

def pytest_configure(config):
    config.stash[SERVERS] = _Servers(tell=print)
"""
PROJECT = """
import pytest

def test_free(): pass

@pytest.mark.server("redis")
def test_marked(): pass

def test_by_fixture(redis_url): pass

@pytest.mark.exclusive
def test_alone(): pass
"""
OPTIONS = ("-p", "no:cacheprovider", "--strict-markers")
SETTINGS = """
[pytest]
markers =
    server
    exclusive
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose Redis cannot be had."""
    monkeypatch.setenv("ANYMQ_TEST_EXCLUSIVE_LOCK", str(pytester.path / "lock"))
    pytester.makeini(SETTINGS)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(PROJECT)
    return pytester


def test_a_missing_server_skips_at_home_and_the_summary_says_why(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside CI the rest still runs, and nobody has to search for what did not."""
    monkeypatch.delenv("CI", raising=False)

    result = project.runpytest(*OPTIONS)

    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.fnmatch_lines(["*servers that could not be had*", "redis: it could not be*"])
    assert result.outlines[-1].startswith("=")
    assert "2 skipped" in result.outlines[-1]


def test_a_missing_server_fails_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI a server that cannot be had is a failure that names it."""
    monkeypatch.setenv("CI", "true")

    result = project.runpytest(*OPTIONS)

    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*no redis server: it could not be fetched*"])


@pytest.mark.parametrize(("backend", "count"), [("memory", 2), ("redis", 2), ("kafka", 0)])
def test_backend_chooses_by_server(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, backend: str, count: int
) -> None:
    """`--backend` splits the suite for tox: one server each, or none."""
    monkeypatch.delenv("CI", raising=False)

    result = project.runpytest(*OPTIONS, "--backend", backend, "--collect-only", "-q")

    result.stdout.fnmatch_lines([f"*{count}*4*" if count else "*4 deselected*"])


def test_an_unknown_server_is_refused(pytester: pytest.Pytester) -> None:
    """A misspelt server must not turn into a test that never runs."""
    pytester.makeini(SETTINGS)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("import pytest\n@pytest.mark.server('reddis')\ndef test_it(): pass")

    result = pytester.runpytest(*OPTIONS)

    result.stderr.fnmatch_lines(["*no such server: reddis*"])


def test_exports_are_read_as_a_shell_would() -> None:
    """Quoted values keep their spaces, and only the first sign divides."""
    found = exports("export A=redis://h/0?x=1\nexport B='python3 tools/services control redis'\n")

    assert found == {"A": "redis://h/0?x=1", "B": "python3 tools/services control redis"}


def test_the_reason_is_the_last_thing_said_about_the_server() -> None:
    """Progress of other servers is not taken for a reason."""
    said = ["redis  0.1 s  installing", "redis  no package redis-server", "kafka  0.2 s  healthy"]

    assert explain("redis", said) == "no package redis-server"
