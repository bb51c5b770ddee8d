"""Lies about itself: capabilities, limits, secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from anymq.abc import BackendEvent, Health
from anymq.capabilities import Capabilities, Durability, Support
from anymq.errors import AccessDenied, BackendUnavailable
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from tests.conformance.broken.lie import LyingBroker, lie

__all__ = [
    "AcceptsAnyPassword",
    "ClaimsEmulatedOrder",
    "ClaimsMoreOnceOpen",
    "ClaimsPersistence",
    "DeclaresLessThanItDoes",
    "DeniesAsATrouble",
    "PasswordInTheError",
    "PasswordInTheEvents",
    "PasswordInTheHealth",
    "PasswordInTheOptions",
]

TRUE = capabilities_of(MemoryOptions())


def _claims(**levels: Support) -> Capabilities:
    return replace(TRUE, support={**TRUE.support, **levels})


class _Claiming(LyingBroker):
    claimed = TRUE

    async def open(self, events: Any) -> Capabilities:
        await super().open(events)
        return self.claimed


@lie("claims-persistence", "says messages survive the process", "DEL-08")
class ClaimsPersistence(_Claiming):
    claimed = replace(_claims(persistent=Support.NATIVE), durability=Durability.PROCESS_CRASH)


@lie("claims-emulated-order", "says order by key is emulated, and nobody does it", "CFG-12")
class ClaimsEmulatedOrder(_Claiming):
    claimed = replace(
        _claims(order_by_key=Support.EMULATED), handles=TRUE.handles - {"order_by_key"}
    )


@lie("claims-more-once-open", "declares wildcards only once it is open", "CFG-12")
class ClaimsMoreOnceOpen(LyingBroker):
    claimed = replace(
        _claims(wildcard_subscribe=Support.UNSUPPORTED), handles=TRUE.handles - {"wildcard"}
    )


@lie("declares-less-than-it-does", "calls a batch not atomic and takes atomic ones", "CFG-12")
class DeclaresLessThanItDoes(_Claiming):
    claimed = _claims(batch_atomic=Support.UNSUPPORTED)


class OpenText(MemoryOptions):
    """Options that keep a secret in clear."""

    password: str | None = Field(default=None)  # type: ignore[assignment]


class Guarded(MemoryOptions):
    """Options of a backend that takes credentials."""

    @field_validator("username", "password", "port", "path")
    @classmethod
    def _only_a_name(cls, value: Any) -> Any:
        return value


@lie("password-in-the-options", "keeps the password as plain text", "CFG-11", options=OpenText)
class PasswordInTheOptions(LyingBroker):
    pass


@lie(
    "password-in-the-error",
    "shows the password when it is refused",
    "CFG-11",
    "LIF-03",
    options=Guarded,
)
class PasswordInTheError(LyingBroker):
    async def open(self, events: Any) -> Capabilities:
        secret = self._options.secret("password")
        if secret is not None:
            raise AccessDenied(f"cannot log in with {secret}")
        return await super().open(events)


@lie("password-in-the-events", "tells the password with its address", "CFG-11", options=Guarded)
class PasswordInTheEvents(LyingBroker):
    async def open(self, events: Any) -> Capabilities:
        events(BackendEvent("connected", f"memory://kit:{self._options.secret('password')}@x"))
        return await super().open(events)


@lie("password-in-the-health", "shows the password in its health", "CFG-11", options=Guarded)
class PasswordInTheHealth(LyingBroker):
    async def health(self) -> Health:
        return Health("up", facts={"login": str(self._options.secret("password"))})


@lie(
    "accepts-any-password",
    "opens with a password that it never looked at",
    "LIF-03",
    options=Guarded,
)
class AcceptsAnyPassword(LyingBroker):
    pass


@lie(
    "denies-as-a-trouble", "takes a wrong password for a passing trouble", "LIF-03", options=Guarded
)
class DeniesAsATrouble(LyingBroker):
    async def open(self, events: Any) -> Capabilities:
        if self._options.secret("password") is not None:
            raise BackendUnavailable("login failed")
        return await super().open(events)
