"""How a delivery ends: one Outcome per delivery, and what the backend answers to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from anymq.message import Delivery, Message

__all__ = [
    "ACK",
    "CONFIRMED",
    "RELEASE",
    "SETTLED",
    "STALE",
    "Ack",
    "Confirmed",
    "DeadLetter",
    "Outcome",
    "Rejected",
    "Release",
    "Retry",
    "SendResult",
    "SettleResult",
    "SettleUnknown",
    "Settled",
    "Settlement",
    "Stale",
    "Unknown",
]


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: never again."""


@dataclass(frozen=True, slots=True)
class Release:
    """Back to the group at once; not a failure."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Again, not before ``delay_s`` seconds; counted as a failure. None: as the policy says."""

    delay_s: float | None = None

    def __post_init__(self) -> None:
        if self.delay_s is not None and not self.delay_s >= 0:
            raise ValueError(f"Retry(delay_s={self.delay_s!r}): it must be 0 or more seconds")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Never again: set aside with its original bytes and the reason."""

    reason: str

    def __post_init__(self) -> None:
        given: object = self.reason  # what is typed can still be passed wrongly
        if not isinstance(given, str):
            raise TypeError(f"DeadLetter(reason=...) must be str, not {type(given).__name__}")


Outcome = Ack | Release | Retry | DeadLetter

ACK = Ack()
RELEASE = Release()


@dataclass(slots=True, eq=False)
class Settlement:
    """One delivery and its outcome, on the way to the backend.

    ``message`` is what the backend must keep in place of the original for a Retry (the attempt
    raised, the delay already in ``outcome.delay_s``) or a DeadLetter (with the facts in its meta);
    None for Ack and Release. Removing the old and keeping the new is one step.
    """

    delivery: Delivery
    outcome: Outcome
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The backend carried it out."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The delivery was no longer this consumer's: nothing was changed."""


@dataclass(frozen=True, slots=True)
class SettleUnknown:
    """The backend did not say in time; the message may come again."""

    reason: str


SettleResult = Settled | Stale | SettleUnknown

SETTLED = Settled()
STALE = Stale()


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The backend has the message at its declared durability. ``position`` where it has one."""

    position: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Certainly not stored. ``code`` is one of PublishRejected's codes."""

    code: str
    reason: str = field(default="")


@dataclass(frozen=True, slots=True)
class Unknown:
    """May or may not be stored; may be repeated with the same id."""

    reason: str


SendResult = Confirmed | Rejected | Unknown

CONFIRMED = Confirmed()
