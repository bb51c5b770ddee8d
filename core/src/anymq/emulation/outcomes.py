"""Release, Retry and DeadLetter for backends that only acknowledge: copy, confirm, then Ack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anymq.emulation.delay import DelayRoute
from anymq.message import Message
from anymq.outcome import Ack, DeadLetter, Release, Retry, Settlement
from anymq.support.clock import Clock

__all__ = ["Emulation"]


class Emulation:
    """Knows which outcomes the plugin does itself and what the others become."""

    def __init__(self, handles: frozenset[str], delays: DelayRoute, clock: Clock) -> None:
        native: set[type] = {Ack}
        for feature, outcome in (
            ("release", Release),
            ("retry", Retry),
            ("dead_letter", DeadLetter),
        ):
            if feature in handles:
                native.add(outcome)
        self._native = frozenset(native)
        self._is_idle = len(native) == 4
        self._delays = delays
        self._clock = clock

    def keeps_here(self, settlement: Settlement) -> bool:
        """Whether it has to be carried out in this process: a copy needs a group's address, and an
        anonymous subscription has none."""
        return (
            settlement.delivery.group is None and settlement.outcome.__class__ not in self._native
        )

    def covers(self, batch: Sequence[Settlement]) -> bool:
        """Whether any settlement of the batch needs emulating."""
        if self._is_idle:
            return False
        native = self._native
        return any(settlement.outcome.__class__ not in native for settlement in batch)

    def split(
        self, batch: Sequence[Settlement]
    ) -> tuple[list[tuple[Settlement, Message]], list[Settlement]]:
        """Settlements with the copy to send first, and those the plugin carries out itself."""
        copies: list[tuple[Settlement, Message]] = []
        ready: list[Settlement] = []
        for settlement in batch:
            if settlement.outcome.__class__ in self._native:
                ready.append(settlement)
            else:
                copies.append((settlement, self._copy(settlement)))
        return copies, ready

    def _copy(self, settlement: Settlement) -> Message:
        delivery, outcome = settlement.delivery, settlement.outcome
        message = settlement.message or delivery.message
        lane = "dead" if isinstance(outcome, DeadLetter) else "retry"
        copy = replace(message, group=delivery.group, lane=lane, due_at=None)  # type: ignore[arg-type]
        delay_s = outcome.delay_s or 0.0 if isinstance(outcome, Retry) else 0.0
        if delay_s <= 0:
            return copy
        return self._delays.delayed(copy, self._clock.time() + delay_s)
