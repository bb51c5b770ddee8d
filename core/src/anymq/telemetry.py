"""Traces and metrics through the OpenTelemetry API; nothing at all where nobody set them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anymq.middleware.chain import Middleware
from anymq.portable.outgoing import Stamp

if TYPE_CHECKING:
    from anymq.portable.outbound import Outbound

__all__ = ["Telemetry"]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an App adds to its pipeline for traces and metrics, decided once at start."""

    middleware: tuple[Middleware, ...] = ()
    stamps: tuple[Stamp, ...] = ()

    @classmethod
    def current(cls, system: str) -> Telemetry:
        """For the providers that are set up now; empty when there are none."""
        return cls()

    def watch(self, outgoing: Outbound) -> None:
        """Measure what is published."""
