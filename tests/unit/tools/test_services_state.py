"""What is remembered of a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from services import state
from services.process import Process
from services.state import Record

__all__: list[str] = []


def _record() -> Record:
    return Record(
        name="redis",
        version="7.0.15",
        url="redis://127.0.0.1:20000/0",
        ports={"main": 20000, "proxy": 20001},
        processes={"server": Process(pid=42, started=7)},
        proxy=Process(pid=43, started=8),
    )


def test_saved_record_is_loaded_as_it_was(tmp_path: Path) -> None:
    """Every field survives the file, the processes in their order."""
    record = _record()

    state.save(tmp_path / "redis", record)

    assert state.load(tmp_path / "redis") == record


def test_saving_leaves_no_draft_behind(tmp_path: Path) -> None:
    """Only the record itself remains in the folder."""
    state.save(tmp_path, _record())

    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "redis"}', '{"processes": 3}'])
def test_unreadable_record_is_no_record(tmp_path: Path, text: str) -> None:
    """A file that somebody spoiled makes `up` start anew instead of failing."""
    (tmp_path / "state.json").write_text(text, encoding="utf-8")

    assert state.load(tmp_path) is None


def test_no_folder_is_no_record(tmp_path: Path) -> None:
    """A server that was never started is not an error."""
    assert state.load(tmp_path / "absent") is None
