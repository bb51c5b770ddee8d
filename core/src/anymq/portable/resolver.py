"""Resolver: turns what happened to a delivery into a settlement, and tells who must know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from anymq.emulation.outcomes import Emulation
from anymq.events import AppEvent, CrashLoop, HookFailed, MessageDropped, OrderGivenUp
from anymq.message import Delivery, Message
from anymq.outcome import ACK, RELEASE, Ack, DeadLetter, Outcome, Release, Retry, Settlement
from anymq.pipeline.failure import Decision, death_facts, decide
from anymq.portable.buffer import Buffer
from anymq.portable.crash_guard import alone_copy
from anymq.portable.plan import SubscriberPlan
from anymq.portable.release_throttle import ReleaseThrottle
from anymq.portable.settler import Settler
from anymq.support.clock import Clock

__all__ = ["Resolver", "Struggle"]


SETTLED_S = 30.0


@dataclass(slots=True)
class Struggle:
    """A message that failed in this process and has not left it since."""

    failures: int
    """In a row, without a delay between."""
    since: float


class Resolver:
    """The rules between a handler's result and the settler. One per consumer."""

    def __init__(
        self,
        plan: SubscriberPlan,
        buffer: Buffer,
        settler: Settler,
        emulation: Emulation,
        clock: Clock,
        tell: Callable[[AppEvent], None],
        on_fatal: Callable[[Exception], None],
    ) -> None:
        self._plan = plan
        self._buffer = buffer
        self._is_ordered = plan.source.order == "key"
        self._settler = settler
        self._emulation = emulation
        self._clock = clock
        self._tell = tell
        self._on_fatal = on_fatal
        self._struggles: dict[str, Struggle] = {}
        self._releases = ReleaseThrottle()
        self.manual: dict[int, Delivery] = {}
        """Deliveries whose handler returned and that nobody has settled yet, by identity."""

    def settle(self, delivery: Delivery, outcome: Outcome, message: Message | None = None) -> None:
        """Send one outcome on its way; the next message of its key may start."""
        if delivery.scope is not None:
            delivery.scope.end()
        if self._struggles:
            self._struggles.pop(delivery.id, None)
        settlement = Settlement(delivery, outcome, message)
        if delivery.group is None and self._emulation.keeps_here(settlement):
            self._keep_here(settlement)
            return
        self._settler.add(settlement)
        if self._is_ordered:
            self._buffer.finished(delivery)

    def give_back(self, delivery: Delivery) -> None:
        """Uncounted, at shutdown or a pause; an anonymous delivery that has no way back is done."""
        settlement = Settlement(delivery, RELEASE)
        if self._emulation.keeps_here(settlement):
            settlement = Settlement(delivery, ACK)
        self._settler.add(settlement)

    async def settled(self) -> None:
        """Wait until everything added so far is settled."""
        await self._settler.flush(SETTLED_S)

    async def returned(self, delivery: Delivery, outcome: Outcome) -> None:
        """The handler returned an outcome other than Ack, or a batch one of any kind."""
        if isinstance(outcome, Ack):
            self.settle(delivery, outcome)
        elif isinstance(outcome, Release):
            self._release(delivery)
        else:
            self._carry_out(delivery, self._decide(delivery, None, outcome))

    async def failed(self, delivery: Delivery, error: Exception) -> Delivery | None:
        """The handler raised. Returns the delivery of the next attempt if it follows at once."""
        await self.run_hooks(delivery, error)
        decision = self._decide(delivery, error, None)
        if decision.action == "stop":
            self.settle(delivery, RELEASE)
            self._on_fatal(error)
            return None
        return self._carry_out(delivery, decision)

    async def refused(self, delivery: Delivery, error: Exception) -> None:
        """The filter raised: a failure as the handler's, but the message never took its key."""
        await self.run_hooks(delivery, error)
        decision = decide(
            delivery,
            self._plan.retry,
            now=self._clock.time(),
            in_process_failures=1,
            error=error,
            may_hold=False,
        )
        settlement = Settlement(delivery, decision.outcome, decision.message)
        if decision.reason == "dropped" or self._emulation.keeps_here(settlement):
            self._tell(MessageDropped(delivery.topic, delivery.group, delivery.id, "exhausted"))
            settlement = Settlement(delivery, ACK)
        self._settler.add(settlement)
        if decision.action == "stop":
            self._on_fatal(error)

    def expired(self, delivery: Delivery) -> None:
        """Too old to be delivered: acknowledged, and told."""
        self.skip(delivery)
        self._tell(MessageDropped(delivery.topic, delivery.group, delivery.id, "expired"))

    def skip(self, delivery: Delivery) -> None:
        """Not for this subscriber: acknowledged unhandled (it never took its key)."""
        self._settler.add(Settlement(delivery, ACK))

    def set_aside(self, delivery: Delivery) -> None:
        """It may be what kills processes: from now on it is started alone."""
        self._settler.add(Settlement(delivery, Retry(0.0), alone_copy(delivery.message)))
        self._tell(CrashLoop(delivery.topic, delivery.group, delivery.id))

    def crash_loop(self, delivery: Delivery) -> None:
        """It does kill processes: dead-lettered, whatever the policy."""
        facts = death_facts(delivery, "crash_loop", None, self._clock.time())
        meta = {**delivery.message.meta, **facts}
        dead = replace(delivery.message, lane="dead", group=delivery.group, meta=meta)
        self._settler.add(Settlement(delivery, DeadLetter("crash_loop"), dead))
        if self._plan.on_crash_loop is not None:
            self._plan.on_crash_loop(delivery)

    def keep_manual(self, delivery: Delivery) -> None:
        """The handler returned without settling; somebody still will, or the backend takes it."""
        if not delivery.is_ended:
            self.manual[id(delivery)] = delivery

    def by_hand(self, delivery: Delivery, outcome: Outcome) -> None:
        """Somebody settled by hand."""
        self.manual.pop(id(delivery), None)
        if isinstance(outcome, Retry | DeadLetter):
            self._carry_out(delivery, self._decide(delivery, None, outcome))
        else:
            self.settle(delivery, outcome)

    def forget_manual(self, lost: Sequence[Delivery]) -> list[Delivery]:
        """Deliveries that were lost while they waited to be settled by hand."""
        found = [d for d in self.manual.values() if any(d.token == o.token for o in lost)]
        for delivery in found:
            del self.manual[id(delivery)]
            self.end_scope(delivery)
            self._buffer.finished(delivery)
        return found

    def give_back_manual(self) -> None:
        """At shutdown: what nobody settled goes back, uncounted."""
        for delivery in tuple(self.manual.values()):
            del self.manual[id(delivery)]
            self.settle(delivery, RELEASE)

    def end_scope(self, delivery: Delivery) -> None:
        """The delivery's scope ends: what still uses it can know."""
        if delivery.scope is not None:
            delivery.scope.end()

    def _decide(
        self, delivery: Delivery, error: Exception | None, asked: Retry | DeadLetter | None
    ) -> Decision:
        now = self._clock.monotonic()
        struggle = self._struggles.setdefault(delivery.id, Struggle(0, now))
        struggle.failures += 1
        policy = self._plan.policy
        return decide(
            delivery,
            self._plan.retry if policy is None else policy(delivery),
            now=self._clock.time(),
            in_process_failures=struggle.failures,
            error=error,
            asked=asked,
        )

    def _carry_out(self, delivery: Delivery, decision: Decision) -> Delivery | None:
        if decision.action == "again" and decision.message is not None:
            return self._next_attempt(delivery, decision.message)
        if decision.action == "stop":
            self.settle(delivery, RELEASE)
            self._on_fatal(RuntimeError(decision.reason))
        elif decision.reason == "dropped":
            self.settle(delivery, ACK)
            self._tell(MessageDropped(delivery.topic, delivery.group, delivery.id, "exhausted"))
        elif isinstance(decision.outcome, Retry) and self._holds(delivery, decision):
            return None
        else:
            self.settle(delivery, decision.outcome, decision.message)
        return None

    def _holds(self, delivery: Delivery, decision: Decision) -> bool:
        """With order by key, a failing message waits here and keeps its key, for a bounded time."""
        key = delivery.key
        if self._plan.source.order != "key" or key is None or decision.message is None:
            return False
        struggle = self._struggles[delivery.id]
        until = self._clock.monotonic() + decision.delay_s
        if until - struggle.since > self._plan.max_block_s:
            self._tell(OrderGivenUp(delivery.topic, delivery.group, key, delivery.id))
            return False
        struggle.failures = 0
        self.end_scope(delivery)
        self._buffer.hold(self._next_attempt(delivery, decision.message), decision.delay_s)
        return True

    def _keep_here(self, settlement: Settlement) -> None:
        """An anonymous delivery on a backend that only acknowledges: it waits in this process."""
        delivery, outcome = settlement.delivery, settlement.outcome
        if isinstance(outcome, DeadLetter):
            self._settler.add(Settlement(delivery, ACK))
            self._tell(MessageDropped(delivery.topic, None, delivery.id, "exhausted"))
            self._buffer.finished(delivery)
            return
        again = self._next_attempt(delivery, settlement.message or delivery.message)
        delay_s = outcome.delay_s or 0.0 if isinstance(outcome, Retry) else 0.0
        self._buffer.hold(again, delay_s)

    def _next_attempt(self, delivery: Delivery, message: Message) -> Delivery:
        return replace(
            delivery, message=message, redelivered=True, scope=None, _headers=None, _items=None
        )

    def _release(self, delivery: Delivery) -> None:
        delay_s = self._releases.delay_s(delivery.id)
        if delay_s == 0.0:
            self.settle(delivery, RELEASE)
            return
        self.end_scope(delivery)
        self.manual[id(delivery)] = delivery
        self._clock.call_later(delay_s, lambda: self._release_now(delivery))

    def _release_now(self, delivery: Delivery) -> None:
        if self.manual.pop(id(delivery), None) is not None:
            self.settle(delivery, RELEASE)

    async def run_hooks(self, delivery: Delivery, error: Exception) -> None:
        """Tell the error hooks; one that raises is told itself, and the message goes on."""
        for hook in self._plan.error_hooks:
            try:
                await hook(delivery, error)
            except asyncio.CancelledError:
                raise
            except Exception as problem:  # noqa: BLE001 - a broken hook is told, the message goes on
                name = getattr(hook, "__qualname__", repr(hook))
                text = f"{type(problem).__name__}: {problem}"
                self._tell(HookFailed(name, text, delivery.id))
