"""What `env` tells the tests."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from services import commands, state
from services.catalogue import build
from services.cli import main
from services.environment import environment
from services.process import Process, _entry
from services.settings import Settings
from services.state import Record

__all__: list[str] = []


def _myself() -> Process:
    entry = _entry(os.getpid())
    assert entry is not None
    return entry.process


_URLS = {
    "redis": "redis://127.0.0.1:{}/0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:{}/",
    "kafka": "kafka://127.0.0.1:{}",
    "postgres": "postgresql://anymq:anymq@127.0.0.1:{}/anymq",
}


@pytest.mark.parametrize("name", _URLS)
def test_url_and_control_are_given_for_each_server(settings: Settings, name: str) -> None:
    """URL has the documented form; CONTROL is a command to which a verb is appended."""
    (server,) = build([name], settings)
    ports = {role: 20000 + n for n, role in enumerate(server.port_names)}
    record = Record(name, "1", server.url(ports["main"]), ports)

    variables = environment(server, record)

    prefix = f"ANYMQ_TEST_{name.upper()}"
    assert variables[f"{prefix}_URL"] == _URLS[name].format(ports["main"])
    command = shlex.split(variables[f"{prefix}_CONTROL"])
    assert command[:2] == ["env", f"ANYMQ_SERVICES_DIR={settings.root}"]
    assert command[-2:] == ["control", name]
    assert f"{prefix}_PROXY_URL" not in variables


def test_proxy_url_is_given_while_the_proxy_runs(settings: Settings) -> None:
    """It leads to the proxy's port, and is gone with the proxy."""
    (server,) = build(["redis"], settings)
    record = Record("redis", "1", server.url(20000), {"main": 20000, "proxy": 20001})

    record.proxy = _myself()
    running = environment(server, record)
    record.proxy = Process(pid=os.getpid(), started=0)
    gone = environment(server, record)

    assert running["ANYMQ_TEST_REDIS_PROXY_URL"] == "redis://127.0.0.1:20001/0"
    assert "ANYMQ_TEST_REDIS_PROXY_URL" not in gone


def test_lines_can_be_read_by_a_shell(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values are quoted: `eval` gives them back as they are."""
    (server,) = build(["redis"], settings)
    record = Record("redis", "1", "redis://127.0.0.1:1/0", {"main": 1, "proxy": 2})
    record.processes["server"] = _myself()
    record.url += "?name=a b&c='d'"
    state.save(server.home, record)

    commands.env([server])

    script = capsys.readouterr().out + 'printf %s "$ANYMQ_TEST_REDIS_URL"'
    printed = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout == record.url


def test_stopped_server_has_no_lines(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not run cannot be tested against."""
    (server,) = build(["redis"], settings)
    record = Record("redis", "1", server.url(20000), {"main": 20000, "proxy": 20001})
    record.processes["server"] = Process(pid=os.getpid(), started=0)  # the pid is another's now
    state.save(server.home, record)

    commands.env([server])

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["redis", "rabbitmq", "kafka"])
def test_secured_ways_in_are_given(settings: Settings, name: str) -> None:
    """Over TLS, with a login, and both; and which files a client needs."""
    (server,) = build([name], settings)
    ports = {role: 20000 + n for n, role in enumerate(server.port_names)}

    variables = environment(server, Record(name, "1", server.url(ports["main"]), ports))

    prefix = f"ANYMQ_TEST_{name.upper()}"
    assert f":{ports['tls']}" in variables[f"{prefix}_TLS_URL"]
    assert "s://app:app-secret@" in variables[f"{prefix}_TLS_AUTH_URL"]
    assert "://app:app-secret@" in variables[f"{prefix}_AUTH_URL"]
    assert variables[f"{prefix}_TLS_CA_FILE"] == str(server.home / "tls" / "ca.pem")


@pytest.mark.parametrize("name", ["redis@8.2", "valkey"])
def test_stand_in_is_found_where_redis_is(settings: Settings, name: str) -> None:
    """The tests of Redis run against it; orders go to it by its own name."""
    (server,) = build([name], settings)
    record = Record(name, "1", server.url(20000), {"main": 20000, "proxy": 20001})

    variables = environment(server, record)

    assert variables["ANYMQ_TEST_REDIS_URL"] == "redis://127.0.0.1:20000/0"
    assert shlex.split(variables["ANYMQ_TEST_REDIS_CONTROL"])[-2:] == ["control", name]


def test_stand_in_is_named_only_when_asked_for(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would take Redis's place, which may run beside it."""
    monkeypatch.setenv("ANYMQ_SERVICES_DIR", str(settings.root))
    for role in ("REDIS", "RABBITMQ", "KAFKA", "POSTGRES"):
        monkeypatch.delenv(f"ANYMQ_TEST_{role}_URL", raising=False)
    (server,) = build(["valkey"], settings)
    record = Record("valkey", "1", server.url(20000), {"main": 20000, "proxy": 20001})
    record.processes["server"] = _myself()
    state.save(server.home, record)

    main(["env"])
    assert capsys.readouterr().out == ""
    main(["env", "valkey"])
    assert "ANYMQ_TEST_REDIS_URL" in capsys.readouterr().out


def test_server_that_an_older_version_started_has_plain_ways_in(settings: Settings) -> None:
    """What it lacks is not named; the next `up` starts it anew."""
    (server,) = build(["redis"], settings)
    record = Record("redis", "1", server.url(20000), {"main": 20000, "proxy": 20001})

    variables = environment(server, record)

    assert variables["ANYMQ_TEST_REDIS_URL"] == "redis://127.0.0.1:20000/0"
    assert not [name for name in variables if "TLS" in name]
