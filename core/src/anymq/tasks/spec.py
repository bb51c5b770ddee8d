"""One ``@app.task`` and one ``@app.cron``, as they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from anymq.errors import ConfigError
from anymq.retry import RetryPolicy
from anymq.tasks.queues import check_queue

if TYPE_CHECKING:
    from anymq.tasks.signature import TaskSignature

__all__ = ["CronSpec", "Run", "TaskSpec"]

Run = Literal["async", "thread", "process"]
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task's declaration. ``function`` None: known by name, run by other processes."""

    name: str
    signature: TaskSignature
    declared_at: str
    function: Callable[..., Any] | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    run: Run = "async"
    time_limit_s: float | None = None
    queue: str = "default"
    keep_result: bool = True
    app_path: str = ""
    """``module:qualname`` for a process of its own."""

    def __post_init__(self) -> None:
        where = f"task {self.name!r} ({self.declared_at})"
        if not 1 <= len(self.name) <= MAX_NAME or not self.name.isprintable():
            raise ConfigError(f"{where}: a name is 1 to {MAX_NAME} printable characters")
        check_queue(self.queue)
        if self.run not in get_args(Run):
            raise ConfigError(f'{where}: run={self.run!r} must be "thread" or "process"')
        self._check_limit(where)
        if self.run == "process":
            self._check_process(where)

    def _check_limit(self, where: str) -> None:
        limit = self.time_limit_s
        if limit is None:
            return
        if not limit > 0:
            raise ConfigError(f"{where}: time_limit_s={limit} must be more than 0")
        if self.run == "thread":
            raise ConfigError(
                f"{where}: time_limit_s is refused for a plain function in a thread, because a"
                " thread cannot be stopped: use run=\"process\", or make it 'async def'"
            )

    def _check_process(self, where: str) -> None:
        if "<locals>" in self.app_path:
            raise ConfigError(
                f'{where}: a task with run="process" must be at module level, where the process'
                " that runs it can import it"
            )
        if self.signature.depends or len(self.signature.injected) > _jobs(self.signature):
            raise ConfigError(
                f'{where}: run="process" injects nothing but CurrentJob: delivery, context, app'
                " and dependencies live in the worker's process"
            )


@dataclass(frozen=True, slots=True)
class CronSpec:
    """A schedule of one task."""

    task: str
    expression: str
    timezone: str
    misfire_grace_s: float
    catch_up: bool
    declared_at: str


def _jobs(signature: TaskSignature) -> int:
    from anymq.tasks.current import CurrentJob

    return sum(kind is CurrentJob for kind in signature.injected.values())
