"""Admission: which new deliveries reach a handler, and when the one that must run alone may."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from anymq.message import Delivery
from anymq.portable.buffer import Buffer
from anymq.portable.crash_guard import CrashGuard
from anymq.portable.intake import Intake
from anymq.portable.plan import SubscriberPlan
from anymq.portable.resolver import Resolver
from anymq.portable.send_batch import REPEATED
from anymq.support.clock import Clock

__all__ = ["Admission"]


class Admission:
    """Between intake and buffer. Told of every delivery that leaves us, too."""

    intake: Intake
    """Set by the consumer once it has one: they know each other."""

    def __init__(
        self,
        plan: SubscriberPlan,
        buffer: Buffer,
        resolver: Resolver,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._accepts = plan.accepts
        self._buffer = buffer
        self._resolver = resolver
        self._clock = clock
        self._spawn = spawn
        self._guard = CrashGuard(plan.max_deliveries, plan.source.group is not None)

    @property
    def waiting(self) -> list[Delivery]:
        """The lone delivery while it waits for us to hold nothing else."""
        waiting = self._guard.waiting
        return [] if waiting is None else [waiting]

    def accept(self, fresh: Sequence[Delivery]) -> None:
        """Sort new deliveries: most go to the buffer, some never reach a handler."""
        guard, now = self._guard, self._clock.time()
        plain: list[Delivery] = []
        for delivery in fresh:
            message = delivery.message
            if message.meta and REPEATED in message.meta:
                delivery.redelivered = True
            if message.expires_at is not None and message.expires_at <= now:
                self._resolver.expired(delivery)
            elif message.meta and guard.is_alone(delivery):
                self._run_alone(delivery)
            elif guard.is_suspect(delivery):
                self._resolver.set_aside(delivery)
            elif self._accepts is None or self._lets_through(delivery):
                plain.append(delivery)
        if guard.alone is not None:
            self._give_back(plain)
        else:
            self._buffer.put(plain)

    def left(self, gone: Sequence[Delivery]) -> None:
        """These are no longer with us: there is room, and perhaps for the lone delivery."""
        self.intake.release(len(gone))
        if self._guard.alone is None:
            return
        if any(map(self._guard.ends_with, gone)):
            self.intake.open_gate("alone")
        else:
            self._start_alone()

    def forget(self, lost: Sequence[Delivery]) -> list[Delivery]:
        """The lone delivery if it was lost while it waited."""
        return [d for d in self.waiting if any(d.token == other.token for other in lost)]

    def _lets_through(self, delivery: Delivery) -> bool:
        """Ask the subscriber's filter; if that raises, it is this message's failure alone."""
        try:
            if self._accepts is None or self._accepts(delivery):
                return True
        except Exception as error:  # noqa: BLE001 - a filter is the user's code, like a handler
            self._spawn(self._resolver.refused(delivery, error))
        else:
            self._resolver.skip(delivery)
        return False

    def _run_alone(self, delivery: Delivery) -> None:
        """A message that came back from crashes starts only while we hold nothing else."""
        if self._guard.is_crash_loop(delivery):
            self._resolver.crash_loop(delivery)
        elif self._guard.alone is not None:
            self._give_back([delivery])
        else:
            self._guard.alone = delivery
            self.intake.close_gate("alone")
            self._give_back(self._buffer.drain())
            self._start_alone()

    def _start_alone(self) -> None:
        if self._guard.may_start(self.intake.held):
            self._buffer.put([self._guard.started()])

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._resolver.give_back(delivery)
