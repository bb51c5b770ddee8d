"""Task: what ``@app.task`` makes of a function. Called, it is still the function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from anymq.errors import PublishRejected
from anymq.tasks.envelope import JobEnvelope, pack
from anymq.tasks.job import Job
from anymq.tasks.options import Submission, SubmitOptions
from anymq.tasks.owner import Owner
from anymq.tasks.spec import TaskSpec

__all__ = ["Step", "Task", "TaskMaker"]

P = ParamSpec("P")
R = TypeVar("R")
ResultT = TypeVar("ResultT")
OPTIONS = tuple(SubmitOptions.__annotations__)


class Step(Generic[ResultT]):
    """A call with arguments and options, not submitted yet: for ``chain`` and ``submit_many``."""

    __slots__ = ("args", "kwargs", "options", "task")

    def __init__(
        self,
        task: Task[Any, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.options = options

    def with_options(self, **options: Any) -> Step[ResultT]:
        """The same call with options of ``Task.submit``."""
        return Step(self.task, self.args, self.kwargs, {**self.options, **options})

    async def submit(self) -> Job[ResultT]:
        """As ``Task.submit``, with these arguments and options."""
        return await self.task._submit(self.args, self.kwargs, self.options)


class TaskMaker(Protocol):
    """What ``task(…)`` with options is: it takes the function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class Task(Generic[P, R]):
    """``task(…)`` calls the function here; ``await task.submit(…)`` has a worker call it."""

    def __init__(self, spec: TaskSpec, owner: Owner) -> None:
        self.spec = spec
        self.owner = owner
        if spec.function is not None:
            functools.update_wrapper(self, spec.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function, here and now. Raises TypeError for a task known by name alone."""
        if self.spec.function is None:
            raise TypeError(f"task {self.spec.name!r} is run by others: submit it")
        return self.spec.function(*args, **kwargs)

    @property
    def name(self) -> str:
        """What its jobs name."""
        return self.spec.name

    async def submit(self, *args: Any, **kwargs: Any) -> Job[R]:
        """Submit a job with these arguments; returns once the backend has it.

        Among them may be options, unless the task has a parameter of that name (then use
        ``step(…).with_options(…)``): ``queue``; ``delay_s`` or ``eta`` (with a time zone): not
        before; ``expires_s``: not to be begun later than that; ``priority``: low, normal, high;
        ``keep_result=False``: nobody will ask for it; ``job_id``: used once, so that a second
        submission is ignored (the handle's ``is_new`` is False) or, with ``if_exists="reject"``,
        raises PublishRejected("exists"); ``timeout_s`` (10); ``correlation_id``.

        Raises TypeError for arguments that do not fit, PublishRejected, PublishUnknown.
        """
        return await self.step(*args, **kwargs).submit()

    def step(self, *args: Any, **kwargs: Any) -> Step[R]:
        """What ``submit`` takes, to be submitted later, or in a chain (without its first one)."""
        options = {
            name: kwargs.pop(name)
            for name in OPTIONS
            if name in kwargs and name not in self.spec.signature.parameters
        }
        return Step(self, args, kwargs, options)

    async def submit_many(self, calls: Iterable[Step[R]]) -> list[Job[R] | PublishRejected]:
        """Submit many; one Job each, in order, or what one was rejected with: none hides others."""
        from anymq.tasks.compose import submit_many

        return await submit_many(calls)

    async def job(self, job_id: str) -> Job[R]:
        """The handle of a job of this task that was submitted before, by anybody."""
        client = await self.owner.get()
        return Job(client.ticket(job_id), client, self.spec.signature.read_result, is_new=False)

    async def _submit(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Job[R]:
        given = {"queue": self.spec.queue, "keep_result": self.spec.keep_result, **options}
        submission = Submission(**given)
        arguments = self.spec.signature.encode(tuple(args), kwargs)
        client = await self.owner.get()
        ticket, is_new = await client.submit(self.spec.name, arguments, submission)
        body = pack(JobEnvelope(self.spec.name, arguments, keep_result=submission.keep_result))
        return Job(ticket, client, self.spec.signature.read_result, is_new=is_new, body=body)
