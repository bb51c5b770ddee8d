"""The decorators that App and Router share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from anymq.capabilities import Durability
from anymq.declarations import Declarations, Filter, SubscriberSpec, caller_line
from anymq.errors import ConfigError
from anymq.middleware.chain import Middleware
from anymq.pipeline.signature import read_signature
from anymq.portable.plan import AckPolicy
from anymq.retry import RetryPolicy
from anymq.tasks.owner import Owner
from anymq.topology import Order, TopicSpec, check_topic

if TYPE_CHECKING:
    from anymq.tasks.task import Task, TaskMaker

__all__ = ["Registrar", "Topic"]

P = ParamSpec("P")
R = TypeVar("R")
Handler = TypeVar("Handler", bound=Callable[..., Any])


class Topic(str):
    """A declared topic's name; a plain string that ``app.topic`` returns."""

    __slots__ = ()


class Registrar:
    """Collects declarations. App and Router are both one."""

    def __init__(self) -> None:
        self.declarations = Declarations()
        self.middleware: list[Middleware] = []
        self.task_owner = Owner()
        """Where the tasks declared here find their App. For core."""
        self._publish_to: dict[Callable[..., Any], tuple[str, ...]] = {}

    def topic(
        self,
        name: str,
        *,
        partitions: int = 1,
        durability: str | None = None,
        retention_s: float | None = None,
        priorities: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> Topic:
        """Declare a topic; it can be published to and subscribed by its name.

        ``durability`` ("process_crash", "os_crash", "node_loss") is the least that confirmed
        messages must survive: a backend that gives less is refused at start. ``priorities`` is
        needed on backends that emulate them.
        Raises ConfigError for a bad name.
        """
        try:
            level = None if durability is None else Durability.parse(durability)
        except KeyError:
            names = ", ".join(level.name.lower() for level in Durability)
            raise ConfigError(f"durability={durability!r} must be one of {names}") from None
        spec = TopicSpec(name, partitions, level, retention_s, priorities, options or {})
        self.declarations.add_topic(spec)
        return Topic(name)

    def subscriber(
        self,
        *topics: str,
        group: str | None = None,
        name: str | None = None,
        concurrency: int = 1,
        prefetch: int | None = None,
        retry: RetryPolicy | None = None,
        order: Order = "none",
        ack: AckPolicy = "after",
        batch_size: int | None = None,
        batch_wait_s: float = 0.1,
        timeout_s: float | None = None,
        max_block_s: float = 60.0,
        max_deliveries: int = 20,
        filter: Filter | None = None,  # noqa: A002 - the field's word
        middleware: tuple[Middleware, ...] = (),
    ) -> Callable[[Handler], Handler]:
        """Have a function handle the messages of some topics.

        With a ``group`` its members share the work and nothing is missed; without one each running
        subscriber gets its own copy from now on. Raises ConfigError at once for a mistake.
        """
        where = caller_line(1)
        local_names = dict(sys._getframe(1).f_locals)  # handlers may use classes defined locally

        def declare(handler: Handler) -> Handler:
            signature = read_signature(
                handler,
                is_batch=batch_size is not None,
                app_type=_app_type(),
                local_names=local_names,
            )
            spec = SubscriberSpec(
                name=name or str(getattr(handler, "__name__", type(handler).__name__)),
                topics=tuple(map(str, topics)),
                group=group,
                handler=handler,
                signature=signature,
                declared_at=where,
                concurrency=concurrency,
                prefetch=prefetch,
                retry=retry,
                order=order,
                ack=ack,
                batch_size=batch_size,
                batch_wait_s=batch_wait_s,
                timeout_s=timeout_s,
                max_block_s=max_block_s,
                max_deliveries=max_deliveries,
                filter=filter,
                middleware=middleware,
                publish_to=self._publish_to.get(handler, ()),
            )
            self.declarations.add_subscriber(spec)
            return handler

        return declare

    def publisher(self, topic: str) -> Callable[[Handler], Handler]:
        """Publish what a handler returns (if not None or an Outcome). Goes below ``subscriber``."""
        check_topic(topic)

        def declare(handler: Handler) -> Handler:
            if any(spec.handler is handler for spec in self.declarations.subscribers):
                raise ConfigError(
                    f"put @publisher({topic!r}) below @subscriber, next to the function: decorators"
                    " are applied from the bottom up"
                )
            self._publish_to[handler] = (*self._publish_to.get(handler, ()), str(topic))
            return handler

        return declare

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        run: Literal["thread", "process"] = "thread",
        time_limit_s: float | None = None,
        queue: str = "default",
        keep_result: bool = True,
    ) -> TaskMaker: ...

    def task(self, *function: Any, **options: Any) -> Any:
        """Have workers run a function: ``await function.submit(…)`` gives a Job.

        Async functions run in the worker's loop, plain ones in threads (``run="thread"``) or in
        processes (``run="process"``). ``time_limit_s`` ends a call, as a failure; a thread cannot
        be stopped, so it is refused there. ``name``: what jobs name, else module and function.
        ``retry``: as for subscribers. Raises ConfigError at once for a mistake.
        """
        from anymq.tasks.declare import make_task

        where, local_names = caller_line(1), dict(sys._getframe(1).f_locals)

        def declare(decorated: Callable[..., Any]) -> Task[..., Any]:
            return make_task(self, decorated, where, local_names, options)

        return declare(*function) if function else declare

    def task_by_name(self, name: str, *, returns: Any = Any, queue: str = "default") -> Any:
        """A task that only other applications run: submit it by the names of its parameters."""
        from anymq.tasks.declare import foreign_task

        return foreign_task(self, name, returns, queue, caller_line(1))

    def cron(
        self,
        expression: str,
        *,
        timezone: str = "UTC",
        misfire_grace_s: float = 60.0,
        catch_up: bool = False,
        **options: Any,
    ) -> TaskMaker:
        """Have a function, which takes no arguments, run as a task at each tick of a schedule.

        Each tick runs once, however many instances there are. ``expression``: five fields, as cron
        has them. A tick that nobody could submit in time is made up for within
        ``misfire_grace_s``: the latest alone, or (``catch_up``) all of them. Options as ``task``.
        """
        from anymq.tasks.declare import make_cron

        where, local_names = caller_line(1), dict(sys._getframe(1).f_locals)
        schedule = (expression, timezone, misfire_grace_s, catch_up)

        def declare(function: Callable[..., Any]) -> Any:
            return make_cron(self, function, where, local_names, options, schedule)

        return declare

    def check_publishers(self) -> None:
        """Raise ConfigError for a ``publisher`` whose function has no ``subscriber`` of ours."""
        subscribed = {spec.handler for spec in self.declarations.subscribers}
        for handler, topics in self._publish_to.items():
            if handler not in subscribed:
                name = getattr(handler, "__qualname__", repr(handler))
                raise ConfigError(
                    f"@publisher({topics[0]!r}) on {name} would publish nothing: put a @subscriber"
                    " of the same App or Router above it"
                )


def _app_type() -> type:
    from anymq.app import App

    return App
