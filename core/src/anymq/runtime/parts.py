"""What an App was given, and what is made of it once, at the first start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anymq.events import AppEvent, ConsumerStopped, HookFailed
from anymq.middleware.chain import Middleware
from anymq.support.clock import Clock

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from anymq.codecs.codec import Codec
    from anymq.codecs.envelope import Envelope
    from anymq.config import RoleTarget, Settings
    from anymq.plugins.registry import Registry
    from anymq.portable.publisher import OnFull

__all__ = ["AppParts"]

log = logging.getLogger("anymq")


@dataclass(slots=True)
class AppParts:
    """The App's arguments; settings, registry, codec and envelope are made when first needed."""

    url: str | None
    settings: Settings | None
    registry: Registry | None
    codec: Codec | None
    lifespan: Callable[[Any], AbstractAsyncContextManager[Any]] | None
    clock: Clock
    publish_window: int
    on_full: OnFull
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    event_hooks: list[Callable[[AppEvent], object]] = field(default_factory=list)
    health_checks: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def resolve_settings(self) -> Settings:
        """The settings, read on first use. Raises ConfigError."""
        if self.settings is None:
            from anymq.config import load_settings

            self.settings = load_settings(url=self.url)
        elif self.url is not None:
            from anymq.urls import parse_url

            self.settings = self.settings.model_copy(update={"url": parse_url(self.url)})
        return self.settings

    def resolve_registry(self) -> Registry:
        """The plugin registry."""
        if self.registry is None:
            from anymq.plugins.registry import Registry

            self.registry = Registry()
        return self.registry

    def resolve_target(self) -> RoleTarget:
        """The Broker role's backend. Raises ConfigError, PluginError."""
        from anymq.config import resolve_role

        return resolve_role(self.resolve_settings(), "broker", self.resolve_registry())

    def resolve_codec(self) -> Codec:
        """The codec: what the code gave, else what the configuration names."""
        if self.codec is None:
            from anymq.codecs.registry import codec_by_name

            extras: dict[str, Any] = {}
            for _, found in self.resolve_registry().extensions().call("anymq_codecs"):
                extras.update(found)
            self.codec = codec_by_name(self.resolve_settings().codec, extras=extras)
        return self.codec

    def extension_middleware(self) -> tuple[Middleware, ...]:
        """Middleware that installed extensions bring for every subscriber, outermost first."""
        answers = self.resolve_registry().extensions().call("anymq_middleware")
        return tuple(layer for _, found in answers for layer in found)

    def all_health_checks(self) -> dict[str, Callable[[], Any]]:
        """The App's own checks, and those of extensions; the App's win."""
        checks: dict[str, Callable[[], Any]] = {}
        for _, found in self.resolve_registry().extensions().call("anymq_health_checks"):
            checks.update(found)
        return {**checks, **self.health_checks}

    def make_envelope(self, source: str) -> Envelope | None:
        """Encryption, signing and CloudEvents as configured; None when there is none of them."""
        settings = self.resolve_settings()
        mode = settings.cloudevents
        if mode == "off" and settings.encryption is None and settings.signing is None:
            return None
        from anymq.runtime.envelopes import make_envelope

        return make_envelope(settings, source)

    def tell(self, event: AppEvent) -> None:
        """Tell every event hook; one that raises is logged and told to the others."""
        if isinstance(event, HookFailed | ConsumerStopped):
            log.critical("%s", event)
        for hook in self.event_hooks:
            problem = _call(hook, event)
            if problem is not None:
                for other in self.event_hooks:
                    if other is not hook:
                        _call(other, problem)


def _call(hook: Callable[[AppEvent], object], event: AppEvent) -> HookFailed | None:
    """Tell one hook; what to tell the others if it raises."""
    try:
        hook(event)
    except Exception as error:  # noqa: BLE001 - whatever a hook raises, others are told
        name = getattr(hook, "__qualname__", repr(hook))
        log.critical("event hook %s raised %s: %s", name, type(error).__name__, error)
        return HookFailed(name, f"{type(error).__name__}: {error}")
    return None
