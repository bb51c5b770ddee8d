"""What ``task``, ``task_by_name`` and ``cron`` declare."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from anymq.errors import ConfigError
from anymq.retry import RetryPolicy
from anymq.tasks.signature import JSON, TaskSignature, read_task_signature
from anymq.tasks.spec import CronSpec, TaskSpec
from anymq.tasks.task import Task

if TYPE_CHECKING:
    from anymq.registrar import Registrar

__all__ = ["foreign_task", "make_cron", "make_task"]

OPTIONS = ("name", "retry", "run", "time_limit_s", "queue", "keep_result")


def make_task(
    registrar: Registrar,
    function: Callable[..., Any],
    where: str,
    local_names: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Task[..., Any]:
    """Declare a task. Raises ConfigError."""
    _check(options, where)
    signature = read_task_signature(function, local_names=local_names, app_type=_app_type())
    run = options.get("run", "thread")
    if signature.is_async and run == "thread":
        run = "async"
    module, name = _module(function), function.__qualname__
    spec = TaskSpec(
        options.get("name") or f"{_stem(module)}.{name}".replace(".<locals>", ""),
        signature,
        where,
        function,
        options.get("retry") or RetryPolicy(),
        run,
        options.get("time_limit_s"),
        options.get("queue", "default"),
        options.get("keep_result", True),
        f"{module}:{name}",
    )
    registrar.declarations.add_task(spec)
    return Task(spec, registrar.task_owner)


def make_cron(
    registrar: Registrar,
    function: Callable[..., Any],
    where: str,
    local_names: Mapping[str, Any],
    options: Mapping[str, Any],
    schedule: tuple[str, str, float, bool],
) -> Task[..., Any]:
    """Declare a task with a schedule. Raises ConfigError, also for a bad expression."""
    from anymq.tasks.cron import check_schedule

    made = make_task(registrar, function, where, local_names, options)
    if made.spec.signature.parameters:
        name = next(iter(made.spec.signature.parameters))
        raise ConfigError(f"{where}: a schedule gives no arguments, so {name!r} cannot be filled")
    spec = CronSpec(made.spec.name, *schedule, where)
    check_schedule(spec)
    registrar.declarations.schedules.append(spec)
    return made


def foreign_task(
    registrar: Registrar, name: str, returns: Any, queue: str, where: str
) -> Task[..., Any]:
    """A task known by name. Arguments are given by name and not checked."""
    spec = TaskSpec(name, _AnyArguments(returns), where, queue=queue)
    registrar.declarations.add_task(spec)
    return Task(spec, registrar.task_owner)


class _AnyArguments(TaskSignature):
    """Whatever the others' task takes."""

    def __init__(self, returns: Any) -> None:
        super().__init__(True, {}, {}, False, returns, inspect.Signature())

    def encode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, skip: str | None = None
    ) -> dict[str, msgspec.Raw]:
        if args:
            raise TypeError("a task known by name takes its arguments by name")
        return {name: msgspec.Raw(JSON.encode(value)) for name, value in kwargs.items()}


def _check(options: Mapping[str, Any], where: str) -> None:
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise ConfigError(f"{where}: task has no option {unknown[0]!r}: {', '.join(OPTIONS)}")


def _module(function: Callable[..., Any]) -> str:
    """The module as another process can import it."""
    module = function.__module__
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name) if module == "__main__" and spec is not None else module


def _stem(module: str) -> str:
    """The module's name; a script's is that of its file."""
    if module != "__main__":
        return module
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).stem if path else "main"


def _app_type() -> type:
    from anymq.app import App

    return App
