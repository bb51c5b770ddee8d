"""What a middleware is, and how several become one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from anymq.message import Delivery
from anymq.outcome import Outcome

__all__ = ["Call", "Middleware", "chain"]

Call = Callable[[Delivery], Awaitable[Outcome]]
Middleware = Callable[[Delivery, Call], Awaitable[Outcome]]
"""``async def m(delivery, call_next) -> Outcome``. It may look, change the outcome, or not call.

Order: the App's first, then the Router's, then the subscriber's; within each as they were given,
the first outermost. The body is decoded before any of them: ``delivery.value``. Batch handlers,
which get many deliveries at once, are not wrapped; error hooks hear of their failures all the same.
"""


def chain(middleware: Sequence[Middleware], innermost: Call) -> Call:
    """One call that goes through all middleware; the innermost itself if there is none."""
    call = innermost
    for layer in reversed(middleware):
        call = _wrap(layer, call)
    return call


def _wrap(layer: Middleware, call_next: Call) -> Call:
    async def call(delivery: Delivery) -> Outcome:
        return await layer(delivery, call_next)

    return call
