"""Replies: what a handler returned, or why it never will, on its way to whoever asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anymq.errors import AnyMQError, PublishRejected, classify
from anymq.message import Delivery, Message
from anymq.outcome import DeadLetter, Outcome, Retry
from anymq.pipeline.handler import Refuse
from anymq.retry import RetryPolicy
from anymq.support.clock import Clock
from anymq.support.ids import new_id
from anymq.support.limits import within

__all__ = ["REPLY_ERROR", "REPLY_MESSAGE", "Replies"]

REPLY_ERROR = "anymq-reply-error"
"""Type of the error that ended a request's handling; a reply with it has no body."""
REPLY_MESSAGE = "anymq-reply-message"

MAX_CHARACTERS = 1000
"""Of an error's text that travels."""
TIMEOUT_S = 10.0


class Replies:
    """Sends answers and refusals for the subscribers of one running App."""

    def __init__(
        self,
        publish: Callable[..., Awaitable[str]],
        send: Callable[[Message, float], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._publish = publish
        self._send = send
        self._clock = clock

    async def answer(self, delivery: Delivery, value: Any) -> None:
        """Send what the handler returned. Raises as ``publish``: the handler fails with it."""
        try:
            await self._publish(
                delivery.reply_to or "",
                value,
                causation_id=delivery.id,
                correlation_id=delivery.correlation_id,
            )
        except PublishRejected as error:
            # Whoever asked is gone with its address: nobody waits for this answer any more.
            if error.code != "not_found":
                raise

    def refusing(self, policy: RetryPolicy) -> Refuse:
        """What tells who asked that a subscriber with this policy has given its message up."""

        async def refuse(delivery: Delivery, cause: Exception | Outcome) -> None:
            if _is_final(delivery, policy, cause):
                # The failure itself matters more than the telling: whoever asks has a time limit.
                async with within(TIMEOUT_S):
                    await self._send(self._refusal(delivery, cause), TIMEOUT_S)

        return refuse

    def _refusal(self, delivery: Delivery, cause: Exception | Outcome) -> Message:
        kind, text = _told(cause)
        return Message(
            delivery.reply_to or "",
            b"",
            new_id(),
            self._clock.time(),
            causation_id=delivery.id,
            correlation_id=delivery.correlation_id,
            meta={REPLY_ERROR: kind, REPLY_MESSAGE: text},
        )


def _is_final(delivery: Delivery, policy: RetryPolicy, cause: Exception | Outcome) -> bool:
    """Whether the message is now dead-lettered or dropped; the rule is ``pipeline.failure``'s."""
    if isinstance(cause, DeadLetter):
        return True
    if isinstance(cause, Exception) and classify(cause) == "fatal":
        return False
    if isinstance(cause, Exception) and not policy.retries(cause):
        return True
    is_failure = isinstance(cause, Exception | Retry)
    return is_failure and policy.is_exhausted(delivery.attempt) and policy.on_exhausted != "stop"


def _told(cause: Exception | Outcome) -> tuple[str, str]:
    """Type and text, cut to what a header may hold."""
    if isinstance(cause, DeadLetter):
        return "DeadLetter", _cut(cause.reason)
    if isinstance(cause, Retry):
        return "Retry", "the handler asked for another attempt after the last one"
    kind = cause.code if isinstance(cause, AnyMQError) else type(cause).__qualname__
    try:
        return kind, _cut(str(cause))
    except Exception as problem:  # noqa: BLE001 - an error that fails when it is looked at
        return kind, f"(no text: {type(problem).__name__})"


def _cut(text: str) -> str:
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
