"""Calling a task's function: in the loop, in a thread, or in a process of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from anymq.message import Delivery
from anymq.outcome import Ack, DeadLetter, Outcome, Release, Retry
from anymq.pipeline.context import Context
from anymq.tasks.current import CurrentJob
from anymq.tasks.signature import JSON
from anymq.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from anymq.app import App
    from anymq.tasks.envelope import JobEnvelope
    from anymq.tasks.pool import ProcessPool

__all__ = ["Call", "make_call"]

Call = Callable[["JobEnvelope", CurrentJob, Delivery], Awaitable["bytes | Outcome"]]
"""Runs one job; its encoded result, or the Outcome that the task returned."""
_OUTCOMES = (Ack, DeadLetter, Release, Retry)


def make_call(spec: TaskSpec, context: Context[Any], executor: Executor, pool: ProcessPool) -> Call:
    """Compile one task. Raises ConfigError for an annotation that nothing can decode."""
    spec.signature.compile()
    if spec.run == "process":
        return _in_process(spec, pool)
    function = _function(spec, executor)
    signature = spec.signature

    async def call(job: JobEnvelope, current: CurrentJob, delivery: Delivery) -> bytes | Outcome:
        arguments = signature.decode(job.arguments)
        for name, kind in signature.injected.items():
            arguments[name] = _injected(kind, context, current, delivery)
        result = await function(**arguments)
        return result if isinstance(result, _OUTCOMES) else JSON.encode(result)

    return call


def _injected(
    kind: type, context: Context[Any], current: CurrentJob, delivery: Delivery
) -> CurrentJob | Delivery | Context[Any] | App:
    if kind is CurrentJob:
        return current
    if kind is Delivery:
        return delivery
    return context if kind is Context else context.app


def _function(spec: TaskSpec, executor: Executor) -> Callable[..., Awaitable[Any]]:
    function = cast("Callable[..., Any]", spec.function)
    called = function if spec.signature.is_async else _in_thread(function, executor)
    if spec.signature.depends:
        from fast_depends import inject

        return cast("Callable[..., Awaitable[Any]]", inject(called, cast=False))
    return called


def _in_thread(function: Callable[..., Any], executor: Executor) -> Callable[..., Awaitable[Any]]:
    async def call(**arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(executor, _bound(function, arguments))
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("the task is a plain function that returned a coroutine: use async def")
        return result

    # For fast-depends, which reads what is to be injected from the signature.
    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    call.__annotations__ = function.__annotations__
    return call


def _bound(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    context = copy_context()
    return lambda: context.run(function, **arguments)


def _in_process(spec: TaskSpec, pool: ProcessPool) -> Call:
    async def call(job: JobEnvelope, current: CurrentJob, delivery: Delivery) -> bytes | Outcome:
        return await pool.run(spec, job.arguments, current)

    return call
