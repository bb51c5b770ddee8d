"""The command line: what it says, and its exit codes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from newsstand.cli.commands import main

URL = "sqlite:///./desk.db"


def test_a_new_database_is_upgraded_and_seeded(capsys: pytest.CaptureFixture[str]) -> None:
    """Each says what it did, and that it does nothing the second time."""
    assert main(["db", "upgrade", "--database", URL]) == 0
    assert main(["db", "upgrade", "--database", URL]) == 0
    assert main(["db", "seed", "--database", URL]) == 0
    assert main(["db", "seed", "--database", URL]) == 0

    said = capsys.readouterr().out.splitlines()
    assert said == [
        "the database is now at version 0001 (before: none)",
        "the database is at version 0001 already",
        "made 12 vendors, 60 messengers and 16 publications",
        "the database is not empty: nothing was changed",
    ]


def test_seeding_needs_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr with the command that helps."""
    assert main(["db", "seed", "--database", URL]) == 1
    assert "run 'newsstand db upgrade'" in capsys.readouterr().err


def test_the_configuration_is_shown_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """What came of file, environment and arguments."""
    Path("newsstand.toml").write_text('port = 8123\nmessaging = "memory://me:swordfish@x"\n')

    assert main(["config", "check", "--database", URL]) == 0

    said = capsys.readouterr().out
    assert "swordfish" not in said
    assert dict(line.split(maxsplit=1) for line in said.splitlines())["port"] == "8123"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["config", "check", "--messaging", "no url"], "url"),
        (["serve", "--port", "0", "--database", URL, "--messaging", "nats://localhost"], "nats"),
        (["serve", "--host", "0.0.0.0"], "sign-in"),
        (["serve", "--port", "70000"], "--port"),
        (["serv"], "serve"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    """Never a traceback."""
    assert main(arguments) == 2

    said = capsys.readouterr().err
    assert text in said
    assert len(said.splitlines()) == 1


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert main(["serve", "--port", str(port), "--database", URL]) == 2

    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err
    assert not Path("desk.db").exists()
