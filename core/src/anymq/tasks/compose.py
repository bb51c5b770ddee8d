"""Several jobs: gathered results, chains, and submissions in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from anymq.errors import ConfigError, PublishRejected
from anymq.support.ids import new_id
from anymq.tasks.envelope import Link
from anymq.tasks.job import Job
from anymq.tasks.options import Submission
from anymq.tasks.task import Step

__all__ = ["chain", "gather", "submit_many"]

R = TypeVar("R")


async def gather(*jobs: Job[R], timeout_s: float | None = None) -> list[R]:
    """The results of jobs, in their order; any number, within ``timeout_s`` for all of them.

    Raises what ``Job.result`` of the first one that failed raises; the others are not affected.
    """
    loop = asyncio.get_running_loop()
    until = None if timeout_s is None else loop.time() + timeout_s
    results = []
    for job in jobs:  # what has ended meanwhile is known: one after the other takes no longer
        left_s = None if until is None else max(0.0, until - loop.time())
        results.append(await job.result(left_s))
    return results


async def chain(first: Step[Any], *others: Step[Any]) -> Job[Any]:
    """Submit jobs that follow each other; the handle of the last.

    Each gets the result of the one before as its first argument, and is submitted by the worker
    that ended it. Where one fails, those after it fail with the error type ``ChainBroken``.
    Options other than ``queue`` and ``keep_result`` count for the first alone.
    """
    links = [_link(step) for step in others]
    task = first.task
    given = Submission(
        **{"queue": task.spec.queue, "keep_result": task.spec.keep_result, **first.options}
    )
    arguments = task.spec.signature.encode(tuple(first.args), first.kwargs)
    client = await task.owner.get()
    await client.links_created(links)
    last = others[-1].task if others else task
    wanted = client.ticket(links[-1].job, is_ours=True) if links else None
    ticket, is_new = await client.submit(task.spec.name, arguments, given, then=links)
    return Job(wanted or ticket, client, last.spec.signature.read_result, is_new=is_new)


async def submit_many(steps: Iterable[Step[R]]) -> list[Job[R] | PublishRejected]:
    """Submit calls together; one Job or rejection each, in order.

    Of several with the same ``job_id`` the first is the new one. Raises PublishUnknown.
    """

    async def one(step: Step[R]) -> Job[R] | PublishRejected:
        try:
            return await step.submit()
        except PublishRejected as error:
            return error

    return list(await asyncio.gather(*(one(step) for step in steps)))


def _link(step: Step[Any]) -> Link:
    spec = step.task.spec
    first = spec.signature.first
    if first is None:
        raise ConfigError(f"task {spec.name!r} takes no argument: it cannot follow in a chain")
    return Link(
        spec.name,
        new_id(),
        step.options.get("queue") or spec.queue,
        first,
        spec.signature.encode(tuple(step.args), step.kwargs, skip=first),
        step.options.get("keep_result", spec.keep_result),
    )
