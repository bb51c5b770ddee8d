"""Consumer: one subscriber at work: intake, buffer, slots, settler, and the rules between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from anymq.abc import Subscription
from anymq.capabilities import Capabilities
from anymq.emulation.outcomes import Emulation
from anymq.errors import BackendUnavailable
from anymq.events import ConsumerStopped
from anymq.message import Delivery
from anymq.outcome import Outcome, Retry, Settlement, SettleResult
from anymq.portable.admission import Admission
from anymq.portable.batch import BatchRunner
from anymq.portable.buffer import Buffer
from anymq.portable.host import ConsumerHost, Subscribe
from anymq.portable.intake import Intake
from anymq.portable.plan import SubscriberPlan, default_prefetch
from anymq.portable.resolver import Resolver
from anymq.portable.settler import SendMany, Settler
from anymq.portable.single import SingleRunner
from anymq.portable.slots import Slot, Slots
from anymq.support.lease_keeper import LeaseKeeper
from anymq.support.limits import within

__all__ = ["Consumer"]

FATAL_GRACE_S = 5.0
"""How long other handlers of a consumer may go on once it ends for good."""
CLOSE_S = 5.0
"""How long handlers may take to end after they were cancelled."""


class Consumer:
    """Runs one subscriber, from ``start`` to ``stop``."""

    def __init__(
        self,
        plan: SubscriberPlan,
        capabilities: Capabilities,
        emulation: Emulation,
        *,
        host: ConsumerHost,
        send: SendMany,
        subscribe: Subscribe,
    ) -> None:
        self.plan = plan
        self.error: Exception | None = None
        """Why it stopped for good, if it did."""
        self._subscribe = subscribe
        self._capabilities = capabilities
        self._emulation = emulation
        self._host = host
        self._send = send
        self._concurrency = plan.concurrency
        self._paused = False
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        """Whether it is receiving (paused counts)."""
        return self._started and self.error is None

    @property
    def is_paused(self) -> bool:
        return self._paused

    @property
    def concurrency(self) -> int:
        """How many handlers may run at once."""
        return self._concurrency

    @property
    def is_handling(self) -> bool:
        """Whether a handler runs, its message settled or not."""
        return bool(self._slots.running)

    async def start(self) -> None:
        """Subscribe and begin. Raises what ``Broker.subscribe`` raises; nothing runs then."""
        plan, clock = self.plan, self._host.clock
        self.error = None
        prefetch = self._prefetch()
        self._subscription = await self._subscribe(
            plan.source, prefetch=prefetch, on_lost=self._lost
        )
        self._buffer = Buffer(clock, by_key=plan.source.order == "key")
        self._settler = Settler(
            self._subscription,
            self._emulation,
            send=self._send,
            on_settled=self._settled,
            tell=self._host.tell,
        )
        self._resolver = Resolver(
            plan, self._buffer, self._settler, self._emulation, clock, self._host.tell, self._fatal
        )
        runner = SingleRunner if plan.batch is None else BatchRunner
        self._runner = runner(plan, self._resolver, self._buffer, self._host.tell)
        self._admission = Admission(plan, self._buffer, self._resolver, clock, self._host.spawn)
        self._intake = self._admission.intake = Intake(
            self._subscription,
            prefetch=prefetch,
            accept=self._admission.accept,
            refuse=self._give_back,
            clock=clock,
        )
        self._slots = Slots(
            self._buffer,
            self._runner.run,
            spawn=self._host.spawn,
            on_abort=self._aborted,
            on_stray=self._strayed,
            on_crash=self._crashed,
        )
        self._begin(self._subscription)

    async def pause(self) -> None:
        """Start nothing new; what runs goes on, the membership stays. Idempotent."""
        if not self._paused:
            self._paused = True
            self._intake.close_gate("paused")
            await self._subscription.pause()
            self._give_back(self._buffer.drain())

    async def resume(self) -> None:
        """End a pause. Idempotent."""
        if self._paused:
            self._paused = False
            await self._subscription.resume()
            self._intake.open_gate("paused")

    def set_concurrency(self, concurrency: int) -> None:
        """Run so many handlers at once from now on; running ones are not touched.

        At least 1, and at most the prefetch that the subscription began with: the broker hands
        out no more. Raises ValueError otherwise, and nothing changes.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        if self._started:
            self._check_reachable(concurrency)
        self._concurrency = concurrency
        if self._started:
            self._intake.resize(min(self._prefetch(), self._subscribed_prefetch))
            self._slots.resize(concurrency)

    async def stop(self, grace_s: float) -> None:
        """Stop intake, let handlers end within ``grace_s``, give back the rest, leave. Bounded."""
        if not self._started:
            return
        self._started = False
        self._intake.stop()
        async with within(CLOSE_S):
            await self._subscription.stop()
        self._give_back(self._buffer.drain())
        if not await self._slots.wait_idle(grace_s):
            self.cancel()
            await self._slots.wait_idle(CLOSE_S)
        self._give_back(self._buffer.drain())
        self._resolver.give_back_manual()
        await self._settler.flush(CLOSE_S)
        for task in self._tasks:
            task.cancel()
        self._slots.resize(0)
        self._buffer.wake(self._concurrency)
        async with within(CLOSE_S):
            await self._subscription.aclose(timeout_s=CLOSE_S)

    def cancel(self) -> None:
        """Cancel running handlers now (forced shutdown); their messages go back uncounted.

        What is buffered goes back, too: the slots that get free must not begin with it.
        """
        self._give_back(self._buffer.drain())
        self._slots.cancel(None, "shutdown")

    def settle_by_hand(self, delivery: Delivery, outcome: Outcome) -> None:
        """Carry out an outcome that was asked for by hand."""
        self._resolver.by_hand(delivery, outcome)

    def unsettled(self) -> list[Delivery]:
        """Deliveries that are with us: buffered, running, or waiting to be settled by hand."""
        return [
            *self._buffer.all(),
            *self._slots.unsettled,
            *self._resolver.manual.values(),
            *self._admission.waiting,
        ]

    def _begin(self, subscription: Subscription) -> None:
        self._subscribed_prefetch = self._prefetch()
        self._started, self._paused = True, False
        self._tasks = [
            self._host.spawn(self._supervised(self._settler.run)),
            self._host.spawn(self._supervised(self._intake.run)),
        ]
        lease_s = self._capabilities.lease_s
        if lease_s is not None:
            keeper = LeaseKeeper(subscription, lease_s, self.unsettled, self._lost)
            keep = self._supervised(lambda: keeper.run(self._host.clock))
            self._tasks.append(self._host.spawn(keep))
        self._slots.resize(self._concurrency)

    async def _supervised(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A consumer with a dead part is dead, and says so: never a zombie."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever the plugin raised, it ends the consumer
            if self._started:
                self._fatal(error)

    def _check_reachable(self, concurrency: int) -> None:
        limit = self._subscribed_prefetch
        if concurrency > limit:
            raise ValueError(
                f"subscriber {self.plan.name!r} began with a prefetch of {limit}, so {concurrency} "
                f"handlers cannot run at once: declare it with prefetch={concurrency} or more"
            )

    def _prefetch(self) -> int:
        return self.plan.prefetch or default_prefetch(self._concurrency)

    def _settled(self, settlements: Sequence[Settlement], result: SettleResult) -> None:
        self._admission.left([settlement.delivery for settlement in settlements])

    def _lost(self, lost: Sequence[Delivery]) -> None:
        """The backend takes deliveries away: their handlers are cancelled, nothing is settled."""
        gone = self._buffer.remove(lost)
        gone += self._resolver.forget_manual(lost)
        gone += self._admission.forget(lost)
        self._slots.cancel(list(lost), "lost")
        self._admission.left(gone)

    def _aborted(self, deliveries: list[Delivery], reason: str) -> None:
        """A handler was cancelled: not a failure. Shutdown gives its message back uncounted."""
        for delivery in deliveries:
            if delivery.is_ended:
                continue  # settled by hand, then cancelled in what it did besides
            self._resolver.end_scope(delivery)
            if reason == "shutdown":
                self._give_back([delivery])
            else:
                self._resolver.forget_manual([delivery])
                self._buffer.finished(delivery)
                self._admission.left([delivery])

    async def _strayed(self, slot: Slot, stray: asyncio.CancelledError) -> None:
        """A cancellation that nobody asked for (some clients raise it) is a failure like any."""
        error = BackendUnavailable("the handler was cancelled from inside, by something it awaited")
        error.__cause__ = stray
        for delivery in slot.deliveries:
            if not slot.is_settled and not delivery.is_ended:
                await self._resolver.returned(delivery, Retry())
            await self._resolver.run_hooks(delivery, error)

    def _crashed(self, deliveries: list[Delivery], error: Exception) -> None:
        """Core itself could not go on with a message: never a consumer that only looks alive."""
        self._give_back(deliveries)
        self._fatal(error)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._resolver.give_back(delivery)

    def _fatal(self, error: Exception) -> None:
        """End for good: leave the group, so that others get the work; tell, and stay down."""
        if self.error is not None:
            return
        self.error = error
        self._intake.stop()
        self._host.spawn(self.stop(FATAL_GRACE_S))
        self._host.tell(ConsumerStopped(self.plan.name, f"{type(error).__name__}: {error}"))
