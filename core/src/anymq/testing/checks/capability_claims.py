"""What a backend claims: complete, consistent, and the same once it is open."""

from __future__ import annotations

from anymq.abc import BackendContext, Broker, JobStore, Management, Stream
from anymq.capabilities import (
    CAPABILITY_NAMES,
    FEATURES,
    Capabilities,
    Durability,
    Support,
    describe,
)
from anymq.support.clock import SystemClock
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.decoys import Subject, subject_of
from anymq.testing.required import shortfalls

__all__: list[str] = []

OWN_WORK = {
    "release": "release",
    "delayed_retry": "retry",
    "delayed_delivery": "due_at",
    "dead_letters": "dead_letter",
    "priority": "priority",
    "ttl": "ttl",
    "order_by_key": "order_by_key",
    "wildcard_subscribe": "wildcard",
    "batch_atomic": "batch_atomic",
}
"""Capabilities, and the feature in ``handles`` by which a plugin brings them itself."""
NOBODY_ELSE = ("order_by_key", "wildcard_subscribe", "batch_atomic")
"""Of these, what core does not emulate."""
URL_PARTS = ("scheme", "host", "port", "username", "password", "path")


@check("CFG-12", "capabilities_are_consistent")
async def consistent(bench: Bench) -> None:
    """Declared and found agree unless options change them; roles exist where they are declared."""
    plugin = await subject_of(bench)
    declared, found = plugin.descriptor.capabilities, bench.capabilities
    for title, claims in (("declared", declared), ("open's", found)):
        _check_claims(f"the {title} capabilities", claims)
    _check_roles(plugin, declared)
    lacking = shortfalls(plugin.descriptor.name, declared)
    expect(not lacking, f"declares less than it must: {'; '.join(lacking)}")
    options = plugin.target.options
    changed = [
        name
        for name, field in type(options).model_fields.items()
        if name not in URL_PARTS and getattr(options, name) != field.get_default()
    ]
    if not changed:
        before, after = describe(declared), describe(found)
        drift = {name: f"{before[name]}, then {after[name]}" for name in before}
        drift = {name: text for name, text in drift.items() if before[name] != after[name]}
        expect(not drift, f"declared, then found by open without any option: {drift}")
        expect(declared.handles == found.handles, "open handles other features than declared")
    async with bench.broker() as broker:
        management = broker.management()
        expect(isinstance(management, Management), "management() gives no Management")


def _check_claims(title: str, claims: Capabilities) -> None:
    unknown = set(claims.support) - set(CAPABILITY_NAMES)
    expect(not unknown, f"{title} name what does not exist: {sorted(unknown)}")
    odd = {*claims.handles} - FEATURES
    expect(not odd, f"{title} handle what does not exist: {sorted(odd)}")
    for name, feature in OWN_WORK.items():
        level, handled = claims.level(name), feature in claims.handles
        if level is Support.NATIVE:
            expect(handled, f"{title}: {name} is native, but {feature!r} is not in handles")
        if level is Support.UNSUPPORTED:
            expect(not handled, f"{title}: {name} is unsupported, but {feature!r} is in handles")
        if level is Support.EMULATED and name in NOBODY_ELSE:
            expect(handled, f"{title}: {name} is emulated, but core does not and nor does it")
    lasts = claims.durability > Durability.NONE
    is_persistent = claims.level("persistent") is not Support.UNSUPPORTED
    expect(lasts == is_persistent, f"{title}: persistent and durability contradict each other")
    leases = claims.level("lease_extension") is not Support.UNSUPPORTED
    expect(
        leases == (claims.lease_s is not None),
        f"{title}: lease_extension and lease_s={claims.lease_s} contradict each other",
    )
    expect(claims.lease_s is None or claims.lease_s > 0, f"{title}: a lease of {claims.lease_s} s")
    expect(claims.max_message_bytes >= 64 * 1024, f"{title}: messages under 64 KiB only")
    expect(claims.max_batch >= 1, f"{title}: batches of {claims.max_batch}")


def _check_roles(plugin: Subject, declared: Capabilities) -> None:
    """Roles make objects of their interface, unopened; streams exist where replay is declared."""
    descriptor = plugin.descriptor
    context = BackendContext(SystemClock(), client_id="kit")
    for role, kind in (("broker", Broker), ("stream", Stream), ("job_store", JobStore)):
        factory = getattr(descriptor, role)
        if factory is not None:
            made = factory(plugin.target.options, context)
            expect(isinstance(made, kind), f"the factory of {role} makes a {type(made).__name__}")
    for name in ("replay", "seek"):
        has = declared.level(name) is not Support.UNSUPPORTED
        is_there = descriptor.stream is not None
        expect(
            is_there or not has, f"{name} is declared, but the backend has no Stream to do it with"
        )
    if descriptor.stream is not None:
        expect(
            declared.level("replay") is not Support.UNSUPPORTED,
            "the backend has a Stream, but does not declare replay",
        )
