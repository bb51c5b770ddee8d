"""What becomes of a delivery whose handler failed: the policy applied, as a pure decision."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from anymq.errors import AnyMQError, classify
from anymq.message import Delivery, Message
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Retry
from anymq.retry import RetryPolicy
from anymq.support.ids import new_id

__all__ = [
    "REPLAYED",
    "Decision",
    "death_facts",
    "decide",
    "mark_replayed",
    "revive",
    "with_failure",
]

MAX_MESSAGE = 1024
MAX_STACK = 4096
_FIRST = "anymq-first-failed-at"
REPLAYED = "anymq-replayed"
"""Tells one replay from another."""
_DEATH = "anymq-death-"

Action = Literal["settle", "again", "stop"]


@dataclass(frozen=True, slots=True)
class Decision:
    """``settle`` with the outcome; ``again`` after ``delay_s`` in this process; or ``stop``."""

    action: Action
    outcome: Outcome
    message: Message | None = None
    delay_s: float = 0.0
    reason: str = ""


def decide(
    delivery: Delivery,
    policy: RetryPolicy,
    *,
    now: float,
    in_process_failures: int,
    error: BaseException | None = None,
    asked: Retry | DeadLetter | None = None,
    may_hold: bool = True,
) -> Decision:
    """The fate of a failed attempt. ``asked`` is the outcome the handler returned, if it did.

    ``may_hold`` False forbids repeating it in this process.
    """
    if error is not None and classify(error) == "fatal":
        return Decision("stop", RELEASE, reason=_reason(error))
    if isinstance(asked, DeadLetter):
        return _dead(delivery, asked.reason, error, now)
    attempt = delivery.attempt
    if error is not None and not policy.retries(error):
        return _dead(delivery, _reason(error), error, now)
    if policy.is_exhausted(attempt):
        return _exhausted(delivery, policy, error, now)
    if error is not None and may_hold and policy.is_immediate(in_process_failures):
        return Decision("again", ACK, with_failure(delivery.message, now))
    wanted = asked.delay_s if asked is not None else None
    delay_s = policy.delay_s(attempt) if wanted is None else wanted
    return Decision("settle", Retry(delay_s), with_failure(delivery.message, now), delay_s)


def with_failure(message: Message, now: float) -> Message:
    """A copy with one more failure recorded."""
    meta = message.meta
    if _FIRST not in meta:
        meta = {**meta, _FIRST: f"{now:.3f}"}
    return replace(message, attempt=message.attempt + 1, meta=meta)


def death_facts(
    delivery: Delivery, reason: str, error: BaseException | None, now: float
) -> Mapping[str, str]:
    """The facts a dead letter carries beside its original bytes; every one capped."""
    message = delivery.message
    facts = {
        f"{_DEATH}reason": _cap(reason, MAX_MESSAGE),
        f"{_DEATH}topic": message.topic,
        f"{_DEATH}group": delivery.group or "",
        f"{_DEATH}position": delivery.position or "",
        f"{_DEATH}attempts": str(message.attempt),
        f"{_DEATH}at": f"{now:.3f}",
        f"{_DEATH}id": message.id,
        _FIRST: message.meta.get(_FIRST, f"{now:.3f}"),
    }
    if error is not None:
        kind = type(error)
        facts[f"{_DEATH}error"] = _cap(f"{kind.__module__}.{kind.__qualname__}", MAX_MESSAGE)
        facts[f"{_DEATH}message"] = _cap(_text(error), MAX_MESSAGE)
        stack = "".join(traceback.format_tb(error.__traceback__))
        facts[f"{_DEATH}stack"] = _cap(stack, MAX_STACK, keep_end=True)
    return facts


def revive(message: Message) -> Message:
    """A dead letter as it was first published: facts removed, counters reset, same id.

    Its time to live is over or nearly so; who replays it wants it handled all the same.
    """
    meta = {
        name: value
        for name, value in message.meta.items()
        if not name.startswith(_DEATH) and name not in (_FIRST, "anymq-alone")
    }
    return replace(message, lane="retry", attempt=1, due_at=None, expires_at=None, meta=meta)


def mark_replayed(message: Message) -> Message:
    """A copy that tells this replay from every other one."""
    return replace(message, meta={**message.meta, REPLAYED: new_id()[-8:]})


def _dead(delivery: Delivery, reason: str, error: BaseException | None, now: float) -> Decision:
    facts = death_facts(delivery, reason, error, now)
    dead = replace(
        delivery.message, lane="dead", group=delivery.group, meta={**delivery.message.meta, **facts}
    )
    return Decision("settle", DeadLetter(reason), dead, reason=reason)


def _exhausted(
    delivery: Delivery, policy: RetryPolicy, error: BaseException | None, now: float
) -> Decision:
    reason = "exhausted" if error is None else f"exhausted: {_reason(error)}"
    if policy.on_exhausted == "dead_letter":
        return _dead(delivery, reason, error, now)
    if policy.on_exhausted == "stop":
        return Decision("stop", RELEASE, reason=reason)
    return Decision("settle", ACK, reason="dropped")


def _reason(error: BaseException) -> str:
    return error.code if isinstance(error, AnyMQError) else type(error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 - an error that fails when it is looked at
        return f"(no text: {type(problem).__name__})"


def _cap(text: str, size_bytes: int, *, keep_end: bool = False) -> str:
    """Cut a text to so many bytes of UTF-8, and replace what UTF-8 cannot carry."""
    data = text.encode("utf-8", "replace")
    if len(data) > size_bytes:
        data = data[-size_bytes:] if keep_end else data[:size_bytes]
    return data.decode("utf-8", "ignore")
