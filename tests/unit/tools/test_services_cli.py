"""The command line, as far as it starts nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from services.cli import main

__all__: list[str] = []


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands see a machine of their own."""
    monkeypatch.setenv("ANYMQ_SERVICES_DIR", str(tmp_path / "services"))
    for name in ("REDIS", "RABBITMQ", "KAFKA", "POSTGRES"):
        monkeypatch.delenv(f"ANYMQ_TEST_{name}_URL", raising=False)
        monkeypatch.delenv(f"ANYMQ_TEST_{name}_CONTROL", raising=False)


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["up", "redsi"], "redsi"),
        (["down", "redsi"], "redsi"),
        (["control", "redsi", "kill"], "redsi"),
        (["control", "redis", "explode"], "explode"),
        (["kafka-tool", "kafka-nothing"], "kafka-nothing"),
    ],
)
def test_unknown_name_is_misuse(
    argv: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, one line that names the culprit and what there is instead."""
    assert main(argv) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert "choose from" in line


@pytest.mark.parametrize("argv", [[], ["jump"], ["up", "--fast"], ["control", "redis"]])
def test_wrong_arguments_are_misuse(argv: list[str]) -> None:
    """What the parser refuses has the same exit status."""
    with pytest.raises(SystemExit) as left:
        main(argv)

    assert left.value.code == 2


@pytest.mark.parametrize("verb", ["kill", "pause", "resume", "restart", "wipe", "cut", "stats"])
def test_server_never_started_cannot_be_controlled(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, and the line says what to do first."""
    assert main(["control", "redis", verb]) == 1

    assert "up redis" in capsys.readouterr().err


def test_status_lists_every_server_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing running, all are stopped."""
    assert main(["status", "--json"]) == 0

    lines = json.loads(capsys.readouterr().out)
    assert {line["name"]: line["state"] for line in lines} == dict.fromkeys(
        ["redis", "rabbitmq", "kafka", "postgres"], "stopped"
    )


def test_status_is_plain_when_not_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """No escape codes in a pipe."""
    main(["status", "redis"])

    out = capsys.readouterr().out
    assert "redis" in out
    assert "\x1b" not in out


def test_down_of_nothing_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    """Stopping is idempotent."""
    assert main(["down"]) == 0

    assert capsys.readouterr().err.count("was not running") == 4


def test_server_of_the_user_that_does_not_answer_is_not_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL alone is not a server."""
    monkeypatch.setenv("ANYMQ_TEST_REDIS_URL", "redis://127.0.0.1:1/0")

    assert main(["env", "redis"]) == 0

    assert capsys.readouterr().out == ""
