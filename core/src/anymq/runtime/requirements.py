"""What an application uses, held against what its backend can do, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anymq.capabilities import CAPABILITY_NAMES, Capabilities, Support
from anymq.declarations import Declarations
from anymq.errors import UnsupportedError
from anymq.topology import is_pattern

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["Use", "backends_with", "backends_with_streams", "check_uses", "uses_of"]


@dataclass(frozen=True, slots=True)
class Use:
    """One capability, and the line that asks for it."""

    capability: str
    what: str
    where: str


def uses_of(declarations: Declarations) -> Iterator[Use]:
    """Everything that the declarations ask of a backend."""
    for spec in declarations.subscribers:
        name = f"subscriber {spec.name!r}"
        group = "consumer_groups" if spec.group is not None else "anonymous_subscription"
        yield Use(group, name, spec.declared_at)
        if spec.order == "key":
            yield Use("order_by_key", f'{name} with order="key"', spec.declared_at)
        if any(map(is_pattern, spec.topics)):
            yield Use("wildcard_subscribe", f"{name} on {spec.topics}", spec.declared_at)
        if spec.retry is not None and spec.retry.max_attempts > 1:
            yield Use("delayed_retry", f"{name} with a RetryPolicy", spec.declared_at)
    for topic in declarations.topics.values():
        if topic.durability:
            asked = topic.durability.name.lower()
            yield Use("persistent", f"topic {topic.name!r} with durability={asked!r}", "app.topic")


def check_uses(
    uses: Iterable[Use],
    capabilities: Capabilities,
    *,
    backend: str,
    allow_emulation: bool,
    registry: Registry,
) -> None:
    """Raise UnsupportedError for the first use that the backend cannot serve."""
    for use in uses:
        level = capabilities.level(use.capability)
        if level is Support.NATIVE or (level is Support.EMULATED and allow_emulation):
            continue
        if level is Support.EMULATED:
            problem = "only emulates it, and allow_emulation is false"
        else:
            problem = "cannot do it"
        able = ", ".join(backends_with(use.capability, registry)) or "none that is installed"
        raise UnsupportedError(
            f"{use.what} ({use.where}) needs {use.capability}"
            f" ({CAPABILITY_NAMES[use.capability]}); {backend} {problem}."
            f" Backends that can: {able}"
        )


def backends_with(capability: str, registry: Registry) -> list[str]:
    """Names of installed backends that claim a capability."""
    found = {
        status.descriptor.name
        for status in registry.inspect()
        if status.descriptor is not None
        and status.descriptor.capabilities.level(capability) is not Support.UNSUPPORTED
    }
    return sorted(found)


def backends_with_streams(registry: Registry) -> list[str]:
    """Names of installed backends that have streams."""
    found = {
        status.descriptor.name
        for status in registry.inspect()
        if status.descriptor is not None and status.descriptor.stream is not None
    }
    return sorted(found)
