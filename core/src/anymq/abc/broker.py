"""Broker and Subscription: sending, receiving and settling messages in batches.

Rules for every implementation: never retry a handler, never decode, never settle by yourself,
never log a body. Map every client error to ``anymq.errors`` before it leaves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from anymq.abc.context import EventSink
from anymq.abc.events import Health
from anymq.abc.management import Management
from anymq.capabilities import Capabilities
from anymq.message import Delivery, Message
from anymq.outcome import SendResult, Settlement, SettleResult
from anymq.topology import Source, Topology, TopologyMode

__all__ = ["Broker", "OnLost", "Subscription"]

OnLost = Callable[[Sequence[Delivery]], None]
"""Told, on the loop, of deliveries whose ownership is going: their handlers are cancelled."""


class Broker(ABC):
    """One connection (or pool) to a backend, owned by one application role."""

    @abstractmethod
    async def open(self, events: EventSink) -> Capabilities:
        """Connect, probe the server and return what it really can.

        Blocks at most the options' connect timeout. Called once; a cancelled or failed open leaves
        nothing running. From now on ``events`` hears ``connected``, ``lost``, ``recovered`` and
        ``degraded``; lost connections are the plugin's to restore, without an end, with backoff.

        Raises: BackendUnavailable (transient), AccessDenied, ConfigError (naming the setting).
        """

    @abstractmethod
    async def health(self) -> Health:
        """Tell the condition from a real exchange with the server. At most 2 s; never raises."""

    @abstractmethod
    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        """Make, check or trust (by ``mode``) topics, groups and their companions.

        A group starts here: whatever is sent afterwards reaches it, whether anybody listens or not.
        Idempotent, and safe to run from several processes at once; never moves an existing group.

        Raises: TopologyError for what is missing or differs; BackendUnavailable when not done
        within ``timeout_s``.
        """

    @abstractmethod
    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        """Store messages; one result each, in order: Confirmed, Rejected or Unknown.

        Takes 0 to ``max_batch`` messages; no message is larger than ``max_message_bytes``. Not
        atomic: a rejected entry never hides a confirmed one. ``atomic`` (passed only where
        ``batch_atomic`` is native) stores all or none: one bad entry rejects every one. An
        address without a declared topic is ``Rejected("not_found")``; a ``group`` address reaches
        that group alone. Calls may overlap; for one (topic, key) an earlier call's entries come
        first. Ends within ``timeout_s`` + 0.5 s. Cancelled: each entry may or may not be stored.

        Raises: ClosedError after close. Everything else is told per entry.
        """

    @abstractmethod
    async def subscribe(self, source: Source, *, prefetch: int, on_lost: OnLost) -> Subscription:
        """Join a group (or begin an anonymous subscription) on declared topics.

        ``prefetch`` (at least 1) bounds what has left the backend and is not settled. Several
        subscriptions may exist on one Broker; each is a member of its own.

        Raises: TopologyError where a topic or group is missing, UnsupportedError, ClosedError.
        """

    @abstractmethod
    def management(self) -> Management:
        """The operator's view, over this Broker's connection; valid while the Broker is open."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """Close every subscription, then the connection. Idempotent; ends within ``timeout_s``.

        Works with the backend gone. What was delivered and not settled returns to its group.
        """


class Subscription(ABC):
    """One member of one group. One task calls ``receive`` at a time; other calls may overlap it."""

    @abstractmethod
    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        """Take what there is: 1 to ``max_messages`` deliveries, or none after ``wait_s`` seconds.

        Returns as soon as there is anything, waits only while there is nothing. ``stop`` and
        ``aclose`` wake it. Safe to cancel: a delivery is then either returned or stays unowned.
        Survives lost connections (waits them out within ``wait_s``).

        Raises: ClosedError after ``aclose``; AccessDenied and TopologyError when it cannot go on.
        """

    @abstractmethod
    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        """Carry out outcomes; one result each, in order: Settled, Stale or SettleUnknown.

        Only Ack and the outcomes in ``handles`` ("release", "retry", "dead_letter") are passed.
        Any order of deliveries, any task, also after ``stop``. A settlement of a delivery that is
        no longer ours is Stale and changes nothing. Cancelled: each may or may not be done.
        """

    @abstractmethod
    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Extend the leases of deliveries being worked on; return those that were already lost.

        Called every third of ``lease_s``. Without leases it returns nothing. Never raises.
        """

    @abstractmethod
    async def pause(self) -> None:
        """Hand out nothing new, keep the membership and what is in flight. Idempotent."""

    @abstractmethod
    async def resume(self) -> None:
        """End a pause. Idempotent."""

    @abstractmethod
    async def stop(self) -> None:
        """Hand out nothing more: ``receive`` returns empty, ``settle`` still works. Idempotent."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """Leave the group and give back what is unsettled, uncounted, at once. Idempotent.

        An anonymous subscription removes everything it made on the backend.
        """
