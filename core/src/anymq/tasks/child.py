"""The process that runs tasks, one after the other: ``python -m anymq.tasks.child FD``.

Nothing is inherited but one end of a socket pair. What the tasks connect to, they connect to here.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import queue
import runpy
import signal
import socket
import sys
import threading
import types
from typing import Any

import msgspec

from anymq.errors import classify
from anymq.outcome import Ack, DeadLetter, Release, Retry
from anymq.tasks.current import CURRENT, CurrentJob
from anymq.tasks.failures import error_data
from anymq.tasks.frames import HEAD, Answer, Work, frame, read_hello
from anymq.tasks.signature import JSON
from anymq.tasks.spec import TaskSpec

__all__ = ["main"]

_read_work = msgspec.json.Decoder(Work).decode
_write_error = msgspec.json.Encoder().encode
MAIN = "__anymq_main__"
"""The name under which a script is imported that the worker runs as ``__main__``."""


def main(descriptor: int) -> None:
    """Run calls until the worker closes its end; then end at once, whatever runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is for the worker
    pipe = socket.socket(fileno=descriptor)
    hello = read_hello(_receive(pipe) or b"{}")
    sys.path[:] = hello.sys_path
    if hello.main_path is not None:
        _import_main(hello.main_path)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, calls), daemon=True).start()
    try:
        pipe.sendall(frame(Answer("ready")))
        while True:
            pipe.sendall(frame(_run(_read_work(calls.get()), pipe)))
    except ConnectionError:
        return  # the worker is gone, and with it whoever wants to know


def _listen(pipe: socket.socket, calls: queue.SimpleQueue[bytes]) -> None:
    while (body := _receive(pipe)) is not None:
        calls.put(body)
    os._exit(0)  # the worker is gone: its job runs elsewhere, so it must not go on here


def _receive(pipe: socket.socket) -> bytes | None:
    """One frame's content; None at the end."""
    head = _exactly(pipe, HEAD)
    return None if head is None else _exactly(pipe, int.from_bytes(head, "big"))


def _exactly(pipe: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = pipe.recv(min(size - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def _run(work: Work, pipe: socket.socket) -> Answer:
    def report(value: Any) -> None:
        pipe.sendall(frame(Answer("progress", msgspec.Raw(JSON.encode(value)))))

    current = CurrentJob(work.job, work.task, work.attempt, work.correlation_id, _report=report)
    CURRENT.set(current)
    spec: TaskSpec | None = None
    try:
        spec = _spec(work.function)
        return _answer(_call(spec, work, current))
    except Exception as error:  # noqa: BLE001 - told to the worker as data
        told = msgspec.Raw(_write_error(error_data(error)))
        return Answer("failed", error=told, error_class=_class_of(spec, error))


def _call(spec: TaskSpec, work: Work, current: CurrentJob) -> Any:
    if spec.function is None:
        raise LookupError(f"{work.function} is no task of this code")
    arguments = spec.signature.decode(work.arguments)
    for name in spec.signature.injected:
        arguments[name] = current
    result = spec.function(**arguments)
    return asyncio.run(result) if spec.signature.is_async else result


def _answer(result: Any) -> Answer:
    if isinstance(result, Ack):
        return Answer("ack")
    if isinstance(result, Release):
        return Answer("release")
    if isinstance(result, Retry):
        return Answer("retry", delay_s=result.delay_s)
    if isinstance(result, DeadLetter):
        return Answer("dead_letter", reason=result.reason)
    return Answer("done", msgspec.Raw(JSON.encode(result)))


def _class_of(spec: TaskSpec | None, error: Exception) -> str:
    """What is to become of it by the task's policy, which knows the error's class only here."""
    if classify(error) == "fatal" or spec is None:
        return classify(error)
    return "transient" if spec.retry.retries(error) else "permanent"


def _spec(function: str) -> TaskSpec:
    module, _, name = function.partition(":")
    found: Any = importlib.import_module(MAIN if module == "__main__" else module)
    for part in name.split("."):
        found = getattr(found, part)
    spec = getattr(found, "spec", None)
    if not isinstance(spec, TaskSpec):
        raise TypeError(f"{function} is not the task itself: keep what @app.task returns there")
    return spec


def _import_main(path: str) -> None:
    module = types.ModuleType(MAIN)
    module.__dict__.update(runpy.run_path(path, run_name=MAIN))
    sys.modules[MAIN] = module


if __name__ == "__main__":
    main(int(sys.argv[1]))
