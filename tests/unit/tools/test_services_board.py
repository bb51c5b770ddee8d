"""What people see while servers start."""

from __future__ import annotations

import io
import re

import pytest
from services.board import Board
from services.errors import ServiceError
from services.report import Console, Line, table

__all__: list[str] = []


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """What a reader sees in the end, without colours."""
        lines: list[str] = []
        row = 0
        for up, text in re.findall(r"\x1b\[(\d+)A|\r\x1b\[2K(.*)\n", self.getvalue()):
            if up:
                row -= int(up)
                continue
            lines[row : row + 1] = [re.sub(r"\x1b\[\d+m", "", text)]
            row += 1
        return lines


def test_board_keeps_one_line_per_server() -> None:
    """However often it is redrawn, the last word of each stays."""
    terminal = Terminal()

    with Board(terminal) as board:
        board.say("redis", "starting")
        board.say("kafka", "installing")
        board.say("redis", "healthy", state="done")
        board.say("kafka", "failed", state="failed")

    redis, kafka = terminal.screen
    assert redis.startswith("✔ redis")
    assert redis.endswith("healthy")
    assert kafka.startswith("✘ kafka")


def test_long_lines_are_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that wrapped would not be drawn over."""
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()

    with Board(terminal) as board:
        board.say("redis", "x" * 200)

    assert [len(line) for line in terminal.screen] == [39]


def test_steps_are_lines_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log shows each step in its order, and no escape codes."""
    console = Console()
    with console.progress():
        console.step("redis", "starting")
        console.done("redis", "healthy")
        console.failed("kafka")
    console.error("kafka", ServiceError("no java", details=["a detail"]))

    lines = capsys.readouterr().err.splitlines()
    words = [line.split()[-1] for line in lines]
    assert words == ["starting", "healthy", "detail", "java"]
    assert "\x1b" not in "".join(lines)


def test_table_has_colours_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, and by the usual variable."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mrunning" in table([Line("redis", "running")], stream=Terminal())

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in table([Line("redis", "running")], stream=Terminal())
