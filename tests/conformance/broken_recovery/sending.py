"""Lies about what was sent while the backend was away."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.outcome import CONFIRMED, Unknown
from tests.conformance.broken_recovery.lie import LyingBroker, lie

__all__ = ["AnswersLate", "ConfirmsWhatItCannotKnow"]

LATE_S = 4.0


@lie(
    "confirms-what-it-cannot-know",
    "says that it was stored when no answer came",
    {"REC-01": "confirmed messages are lost", "REC-06": "said that it was done"},
)
class ConfirmsWhatItCannotKnow(LyingBroker):
    async def send(self, messages: Any, *, timeout_s: float, atomic: bool = False) -> Any:
        results = await super().send(messages, timeout_s=timeout_s, atomic=atomic)
        return [CONFIRMED if isinstance(result, Unknown) else result for result in results]


@lie(
    "answers-late",
    "takes its own time instead of the time it was given",
    {"REC-06": "took"},
)
class AnswersLate(LyingBroker):
    async def send(self, messages: Any, *, timeout_s: float, atomic: bool = False) -> Any:
        results = await super().send(messages, timeout_s=timeout_s, atomic=atomic)
        if any(isinstance(result, Unknown) for result in results):
            await asyncio.sleep(LATE_S)
        return results
