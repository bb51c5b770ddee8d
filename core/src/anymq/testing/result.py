"""Results of checks and the report made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CheckResult", "Report"]

KIT_VERSION = "1.0"
Outcome = Literal["passed", "failed", "skipped"]
Variant = Literal["positive", "negative"]
_WORST = {"failed": 2, "skipped": 1, "passed": 0}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check for one family."""

    id: str
    family: str
    outcome: Outcome
    variant: Variant
    reason: str = ""
    sent: int = 0
    seen: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """All results of one run against one backend."""

    backend: str
    server: str
    capabilities: Mapping[str, str]
    results: list[CheckResult] = field(default_factory=list)

    @property
    def failed(self) -> list[CheckResult]:
        return [result for result in self.results if result.outcome == "failed"]

    def as_json(self) -> dict[str, Any]:
        """The report's public form; an id has the worst outcome of its families."""
        ids = dict.fromkeys(result.id for result in self.results)
        return {
            "kit": KIT_VERSION,
            "backend": self.backend,
            "server": self.server,
            "capabilities": dict(self.capabilities),
            "checks": {
                check_id: _merge([r for r in self.results if r.id == check_id]) for check_id in ids
            },
        }


def _merge(results: Iterable[CheckResult]) -> dict[str, Any]:
    listed = list(results)
    worst = max(listed, key=lambda result: _WORST[result.outcome])
    return {
        "outcome": worst.outcome,
        "variant": worst.variant,
        "reason": worst.reason,
        "sent": sum(result.sent for result in listed),
        "seen": sum(result.seen for result in listed),
        "families": [result.family for result in listed],
    }
