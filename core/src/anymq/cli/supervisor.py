"""Keeping processes running: several of them, or one that starts anew when code changes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import typer

__all__ = ["Supervisor", "code_stamps"]

_POLL_S = 0.3
# A process that ends sooner than this did not really start: starting it again would not help.
_STARTED_AFTER_S = 3.0
# A mistake in command, configuration or plugin: neither would it here, however long it took.
_MISTAKE = 2
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(slots=True, eq=False)
class _Child:
    process: subprocess.Popen[bytes]
    started: float
    is_replaced: bool = False
    """Told to stop because code changed."""


@dataclass(slots=True)
class Supervisor:
    """Starts ``anymq ARGUMENTS`` in child processes and passes signals on to them.

    A child that dies is started again, unless it could not start: then all are stopped. With
    ``reload`` there is one child, replaced when a Python file below ``folder`` changes; if it
    dies, the next change starts it again. Children get the time they need to stop; a second
    signal is passed on too, and makes them stop at once.
    """

    arguments: Sequence[str]
    processes: int = 1
    reload: bool = False
    folder: Path = field(default_factory=Path.cwd)
    _children: list[_Child] = field(default_factory=list)
    _wake: threading.Event = field(default_factory=threading.Event)
    _is_stopping: bool = False
    _exit_code: int = 0

    def run(self) -> int:
        """Until a signal comes or a child cannot start; the exit code is the first bad one."""
        before = {s: signal.signal(s, self._pass_on) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._supervise()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._exit_code

    def _supervise(self) -> None:
        stamps = code_stamps(self.folder) if self.reload else {}
        for _ in range(self.processes):
            self._start()
        while self._children or (self.reload and not self._is_stopping):
            self._wake.wait(_POLL_S)
            self._wake.clear()
            for child in [c for c in self._children if c.process.poll() is not None]:
                self._children.remove(child)
                self._ended(child)
            if self.reload and not self._is_stopping:
                now = code_stamps(self.folder)
                if now != stamps:
                    stamps = now
                    self._replace()

    def _start(self) -> None:
        command = [sys.executable, "-m", "anymq.cli", *self.arguments]
        # In a session of its own: the terminal's Ctrl-C reaches it through us alone, once.
        process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own program
        self._children.append(_Child(process, time.monotonic()))

    def _replace(self) -> None:
        typer.echo("anymq: code changed, starting anew", err=True)
        if not self._children:
            self._start()
        for child in self._children:
            if not child.is_replaced:
                child.is_replaced = child.process.poll() is None
                child.process.send_signal(signal.SIGTERM)

    def _ended(self, child: _Child) -> None:
        pid, code = child.process.pid, child.process.returncode
        if self._is_stopping:
            # Below zero: ended by our own signal before it could stop in good order.
            self._exit_code = self._exit_code or max(code, 0)
        elif child.is_replaced:
            self._start()
        elif self.reload:
            typer.echo(f"anymq: ended with code {code}; waiting for a change", err=True)
        elif code == _MISTAKE or time.monotonic() - child.started < _STARTED_AFTER_S:
            typer.echo(f"anymq: process {pid} cannot start (code {code})", err=True)
            self._exit_code = abs(code)
            self._stop_all(signal.SIGTERM)
        else:
            typer.echo(f"anymq: process {pid} ended with code {code}; starting another", err=True)
            self._start()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stop_all(signal.Signals(number))

    def _stop_all(self, number: signal.Signals) -> None:
        self._is_stopping = True
        for child in self._children:
            child.process.send_signal(number)
        self._wake.set()


def code_stamps(folder: Path) -> dict[Path, float]:
    """The time of change of every Python file below a folder; hidden folders are left out."""
    stamps: dict[Path, float] = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts[:-1]
        if any(part.startswith(".") or part in _IGNORED_FOLDERS for part in parts):
            continue
        try:
            stamps[path] = path.stat().st_mtime
        except FileNotFoundError:  # removed since it was listed
            continue
    return stamps
