"""Harness: everything about a backend that the kit cannot know by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from anymq.errors import UnsupportedError

if TYPE_CHECKING:
    from anymq.app import App
    from anymq.plugins.registry import Registry

__all__ = ["Disruption", "Harness", "Timings"]

Disruption = Literal[
    "kill",
    "pause",
    "resume",
    "restart",
    "wipe",
    "cut",
    "delay",
    "refuse",
    "blackhole",
    "half-open",
    "heal",
    "delete",
    "revoke",
]
"""``delete`` and ``revoke`` have methods of their own: they say what is to be taken away."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How a backend's pace differs from the kit's defaults."""

    scale: float = 1.0
    """Multiplies every limit."""
    quiet_s: float = 0.15
    """How long to look for messages that must not come."""
    late_s: float = 0.1
    """How much later than asked a delay may end (plus one per cent of it)."""
    lease_s: float = 1.0
    """The lease the kit configures where the backend has leases."""
    detect_s: float = 6.0
    """How long a connection may be silent before it counts as lost."""
    resume_s: float = 5.0
    """How soon after the end of a fault everything works again."""


class Harness:
    """Subclass it per backend. The defaults fit a backend that lives in this process."""

    backend: ClassVar[str] = ""
    """Name of the backend, equal to its descriptor's."""
    timings: ClassVar[Timings] = Timings()
    known_failures: ClassVar[Mapping[str, str]] = {}
    """Check id to the reason with an issue's address; such a check must fail."""
    is_in_process: ClassVar[bool] = False
    """Nothing lies between the application and the backend: what cuts connections is skipped."""
    killed_by: ClassVar[Literal["abandon", "process"]] = "abandon"
    """How a consumer dies: its Broker's ``abandon()`` drops everything, or it is a process that
    is killed (SIGKILL)."""
    counts_returns: ClassVar[bool] = False
    """The broker itself counts what is given back unhandled as delivered, and cannot be told not
    to (RabbitMQ's quorum queues)."""
    counts_anonymous: ClassVar[bool] = True
    """Whether ``inspect`` counts anonymous subscriptions, too (Kafka knows members of groups)."""
    hands_over_whole: ClassVar[bool] = False
    """A partition has one owner, who keeps it until the last handler has ended: what it fetched
    goes to another member then, not before (Kafka)."""
    plugin: str = ""
    """What a process of its own loads to know the backend, as ``--plugin`` takes it; "" where it
    is installed."""

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        self.url = url
        self.registry = registry
        self.store = ""
        """Where jobs are kept, for backends that keep none."""

    async def options(self) -> dict[str, Any]:
        """At least ``url``; further keys are fields of the configuration."""
        return {"url": self.url}

    def url_with(self, **query: object) -> str:
        """The URL with further options of the plugin in its query."""
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return f"{self.url}{'&' if '?' in self.url else '?'}{text}" if text else self.url

    def make_destination(self, name: str) -> str:
        """A topic name for a test, from one that is unique already."""
        return name

    async def cleanup(self) -> None:
        """Remove what the run made on the backend."""

    @property
    def can_disrupt(self) -> frozenset[Disruption]:
        """What may be passed to ``disrupt``. A check that needs more fails, or, on a backend in
        this process, is skipped."""
        return frozenset()

    @property
    def remedy(self) -> str:
        """What to do so that more can be disrupted."""
        return "give the backend a harness with disrupt() and can_disrupt, as CommandHarness has"

    async def disrupt(self, how: Disruption) -> None:
        """Break the backend, or mend it. Raises UnsupportedError where it cannot be broken.

        ``restart`` ends kill, pause and wipe; ``heal`` ends delay, refuse, blackhole, half-open
        and ``revoke``. It is done when this returns.
        """
        raise UnsupportedError(f"this harness cannot {how} its backend")

    async def set_outage(self, reason: str | None) -> None:
        """Make ``open`` and ``health`` fail as if the backend were down; None ends it."""
        await self.disrupt("kill" if reason else "restart")

    async def delete(self, topic: str, group: str) -> None:
        """Take a group's queue (or what it has for one) away under its consumers."""
        raise UnsupportedError(f"this harness cannot delete {group!r} of {topic!r}")

    async def revocable_url(self) -> str:
        """A URL whose credentials ``disrupt("revoke")`` takes back, closing what uses them."""
        raise UnsupportedError("this harness has no credentials to revoke")

    async def connections(self) -> Mapping[str, int]:
        """``links``: open now; ``accepted``: tried so far. Empty where nobody counts."""
        return {}

    async def inspect(self) -> Mapping[str, int]:
        """What the backend counts: ``consumers``, ``connections`` …; empty if it tells nothing."""
        return {}

    async def crash(self, app: App) -> None:
        """Let an application vanish as if its process were killed: nothing is settled."""
        broker: Any = app._lifecycle.engine.broker
        abandon = getattr(broker, "abandon", None)
        if abandon is None:
            raise UnsupportedError("this backend's Broker has no abandon(): override crash()")
        abandon()
        tasks: Any = app._lifecycle._tasks
        if tasks is not None and tasks._store is not None:
            tasks._store.replace = _never  # nor does it write what becomes of its jobs
        for consumer in app.consumers.values():
            settler: Any = consumer._settler
            settler.flush = _at_once  # the dead wait for no answer
        app.force()


async def _at_once(limit_s: float) -> bool:
    """Stands in for a wait until everything is settled."""
    return False


async def _never(record: object, *, expected_version: int) -> bool:
    """Stands in for a write that the dead do not make."""
    return False
