"""A check: one id of the conformance list, and the function that proves it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from anymq.testing.bench import Bench
    from anymq.testing.harness import Disruption

__all__ = [
    "Check",
    "CheckFailed",
    "CheckFunction",
    "Family",
    "all_checks",
    "also",
    "check",
    "expect",
]

Family = Literal["broker", "stream", "tasks"]
CheckFunction = Callable[["Bench"], Awaitable[None]]

LIMIT_S = 30.0
"""A check that takes longer has failed; a harness may stretch it."""


class CheckFailed(Exception):
    """The backend does not do what the check asserts; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check for one family. The same id may have one for each family."""

    id: str
    name: str
    family: Family
    run: CheckFunction
    needs: tuple[str, ...] = ()
    """Capabilities; unsupported ones select the negative variant."""
    negative: CheckFunction | None = None
    """What an unsupporting backend must do instead; None: the usual refusal of the capability."""
    limit_s: float = LIMIT_S
    once: bool = False
    """Proves core rather than the backend: run it, whatever the backend."""
    disrupts: tuple[Disruption, ...] = ()
    """What the harness must be able to do to the backend."""
    further: tuple[CheckFunction, ...] = ()
    """What the id asserts besides, of the narrow interfaces; left out of a negative variant."""

    @property
    def group(self) -> str:
        """The letters before the number."""
        return self.id.partition("-")[0]


_collected: list[Check] = []
_further: list[tuple[str, Family, CheckFunction]] = []


def check(
    check_id: str,
    name: str,
    *,
    family: Family = "broker",
    needs: Iterable[str] = (),
    negative: CheckFunction | None = None,
    limit_s: float = LIMIT_S,
    once: bool = False,
    disrupts: Iterable[Disruption] = (),
) -> Callable[[CheckFunction], CheckFunction]:
    """Register an async function as the check of an id. ``name`` is the one in the list."""

    def register(function: CheckFunction) -> CheckFunction:
        if any(c.id == check_id and c.family == family for c in _collected):
            raise ValueError(f"{check_id} has a check for the family {family!r} already")
        _collected.append(
            Check(
                check_id,
                name,
                family,
                function,
                tuple(needs),
                negative,
                limit_s,
                once,
                tuple(disrupts),
            )
        )
        return function

    return register


def also(check_id: str, *, family: Family = "broker") -> Callable[[CheckFunction], CheckFunction]:
    """Register a further part of a check: the same rule, asked of the narrow interfaces.

    The check's ``needs`` hold for it, its limit is for the parts together, and the first that
    fails is the check's failure. A part of an id that has no check is an error at ``all_checks``.
    """

    def register(function: CheckFunction) -> CheckFunction:
        _further.append((check_id, family, function))
        return function

    return register


def all_checks() -> list[Check]:
    """Every check, in the order of the list; imports the modules of ``anymq.testing.checks``."""
    package = importlib.import_module("anymq.testing.checks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    known = {(c.id, c.family) for c in _collected}
    orphans = sorted(
        {check_id for check_id, family, _ in _further if (check_id, family) not in known}
    )
    if orphans:
        raise ValueError(f"a part of {orphans[0]}, which is no check of that family")
    return sorted(map(_whole, _collected), key=lambda c: (_ORDER.index(c.group), c.id, c.family))


def _whole(one: Check) -> Check:
    """The check with its further parts."""
    parts = tuple(
        f for check_id, family, f in _further if (check_id, family) == (one.id, one.family)
    )
    return replace(one, further=parts)


_GROUPS = "CFG LIF DEL ACK RTY ORD GRP CON REC MSG BAT TIM TSK STR TXN HND OBS STS"
_ORDER = tuple(_GROUPS.split())


def expect(condition: object, message: str) -> None:
    """Fail the check unless the condition holds."""
    if not condition:
        raise CheckFailed(message)
