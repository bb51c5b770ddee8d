"""ProcessPool: spawned children, one pipe each. Killing one reruns one call."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from anymq.errors import ErrorClass
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Retry
from anymq.support.limits import within
from anymq.tasks.failures import ChildLost, ErrorData, RemoteError
from anymq.tasks.frames import HEAD, MAX_FRAME, Answer, Hello, Work, frame, read_answer
from anymq.tasks.raw import bytes_of

if TYPE_CHECKING:
    from anymq.tasks.current import CurrentJob
    from anymq.tasks.spec import TaskSpec

__all__ = ["ProcessPool"]

START_S = 60.0
"""For a child to import the application."""
END_S = 2.0
RUNS = 4
"""Calls of one attempt whose child dies before the task is taken for the cause."""
_read_error = msgspec.json.Decoder(ErrorData).decode


class _Child:
    """One process and our end of its pipe."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    def send(self, content: Hello | Work) -> None:
        self._writer.write(frame(content))

    async def receive(self) -> Answer:
        """Raises EOFError once it is dead."""
        try:
            head = await self._reader.readexactly(HEAD)
            size = int.from_bytes(head, "big")
            if size > MAX_FRAME:
                raise EOFError
            return read_answer(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError) as error:
            raise EOFError from error

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.process.kill()
        self._writer.close()
        async with within(END_S):
            await self._writer.wait_closed()
        async with within(END_S):
            while self.process.poll() is None:  # noqa: ASYNC110 - gone within a millisecond
                await asyncio.sleep(0.002)


class ProcessPool:
    """At most ``size`` children, started when needed and kept. Nothing is shared with them."""

    def __init__(self, size: int, *, needs_main: bool = False) -> None:
        """``needs_main``: tasks are in the script that runs, which children must import, too."""
        self.size = size
        self._needs_main = needs_main
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The children's process ids."""
        return [child.process.pid for child in (*self._idle, *self._busy)]

    async def run(
        self, spec: TaskSpec, arguments: Mapping[str, msgspec.Raw], current: CurrentJob
    ) -> bytes | Outcome:
        """One call; its encoded result or Outcome.

        A child that dies is replaced and the call repeated, a bounded number of times. Cancelled,
        or past the task's time limit: the child is killed.
        Raises: RemoteError (what the task raised), ChildLost, TimeoutError.
        """
        work = Work(
            spec.app_path,
            current.id,
            current.task,
            current.attempt,
            current.correlation_id,
            dict(arguments),
        )
        async with self._free:
            for _ in range(RUNS):
                try:
                    return await self._run_once(work, current)
                except EOFError:
                    continue
        raise ChildLost(f"the process that ran {spec.name!r} died {RUNS} times in a row")

    async def aclose(self) -> None:
        """End every child. Bounded."""
        self._is_closed = True
        children = [*self._idle, *self._busy]
        self._idle.clear()
        self._busy.clear()
        for child in children:
            await child.end()

    async def _run_once(self, work: Work, current: CurrentJob) -> bytes | Outcome:
        child = self._idle.pop() if self._idle else await self._start()
        self._busy.add(child)
        is_usable = False
        try:
            child.send(work)
            while (answer := await child.receive()).kind == "progress":
                current.report(answer.value)
            is_usable = True
        finally:
            self._busy.discard(child)
            if is_usable and not self._is_closed:
                self._idle.append(child)
            else:
                await child.end()
        return _result(answer)

    async def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        number = str(theirs.fileno())
        with theirs:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns at once; our own program
                [sys.executable, "-m", "anymq.tasks.child", number],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        child = _Child(process, reader, writer)
        is_ready = False
        try:
            main_path = _main_path() if self._needs_main else None
            child.send(Hello([path or "." for path in sys.path], main_path))
            async with asyncio.timeout(START_S):
                is_ready = (await child.receive()).kind == "ready"
        finally:
            if not is_ready:
                await child.end()
        return child


def _main_path() -> str | None:
    """The script that runs as ``__main__``."""
    return cast("str | None", getattr(sys.modules.get("__main__"), "__file__", None))


def _result(answer: Answer) -> bytes | Outcome:
    if answer.kind == "done":
        return bytes_of(answer.value) or b"null"
    if answer.kind == "retry":
        return Retry(answer.delay_s)
    if answer.kind == "dead_letter":
        return DeadLetter(answer.reason)
    if answer.kind == "failed":
        data = _read_error(bytes(answer.error))
        raise RemoteError(data, cast("ErrorClass", answer.error_class))
    return ACK if answer.kind == "ack" else RELEASE
