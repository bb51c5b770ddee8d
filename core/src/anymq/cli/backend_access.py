"""The configured Broker itself, for commands that only look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anymq.abc import BackendContext, Broker
from anymq.cli.state import State
from anymq.config import load_settings, resolve_role
from anymq.errors import BackendUnavailable, PluginError
from anymq.support.clock import SystemClock

__all__ = ["open_broker"]

_SLACK_S = 3.0


@asynccontextmanager
async def open_broker(state: State, url: str | None) -> AsyncIterator[Broker]:
    """The Broker of the configuration (or ``url``), open; closed at the end.

    Raises: ConfigError, PluginError, BackendUnavailable, AccessDenied.
    """
    settings = load_settings(url=url)
    target = resolve_role(settings, "broker", state.registry())
    if target.descriptor.broker is None:
        raise PluginError(f"backend {target.descriptor.name!r} has no Broker")
    context = BackendContext(SystemClock(), settings.namespace, "anymq-cli")
    broker: Broker = target.descriptor.broker(target.options, context)
    limit_s = target.options.connect_timeout_s + _SLACK_S
    try:
        try:
            async with asyncio.timeout(limit_s):
                await broker.open(lambda event: None)
        except TimeoutError as error:
            raise BackendUnavailable(f"{target.url}: no answer within {limit_s:g} s") from error
        yield broker
    finally:
        await broker.aclose(timeout_s=_SLACK_S)
