"""The application that a command works with: the user's own, or a bare one for management."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anymq.abc import Broker
from anymq.app import App
from anymq.cli.state import State, import_from_here
from anymq.codecs.codec import Codec
from anymq.config import load_settings
from anymq.errors import ConfigError
from anymq.plugins.loader import load_object
from anymq.runtime.engine import topology_of
from anymq.topology import Topology

__all__ = ["bare_app", "broker_of", "declared_topology", "load_app", "use_settings"]

DEFAULT_ATTRIBUTE = "app"
# A command at a terminal gives up sooner than a service does.
_CONNECT_WAIT_S = 5.0


def load_app(state: State, spec: str) -> App:
    """Import ``module:attribute`` (``:app`` may be left out) with the working directory in front.

    Plugins that the command line names are the App's, too, unless it has a registry of its own.

    Raises ConfigError for what is missing, fails to import, or is no App.
    """
    import_from_here()
    full = spec if ":" in spec else f"{spec}:{DEFAULT_ATTRIBUTE}"
    found = load_object(full)
    if not isinstance(found, App):
        raise ConfigError(f"{full!r} is a {type(found).__name__}, not an anymq.App")
    if state.plugins and found._parts.registry is None:
        found._parts.registry = state.registry()
    return found


@asynccontextmanager
async def bare_app(
    state: State, url: str | None, *, codec: Codec | None = None
) -> AsyncIterator[App]:
    """An App without declarations on the configured backend (or ``url``), open and closed here."""
    settings = load_settings(url=url)
    wait_s = min(settings.connect_wait_s, _CONNECT_WAIT_S)
    settings = settings.model_copy(update={"connect": "wait", "connect_wait_s": wait_s})
    app = App(settings=settings, registry=state.registry(), codec=codec, name="anymq-cli")
    await app.start(consume=False)
    try:
        yield app
    finally:
        await app.close()


def use_settings(app: App, **changes: object) -> None:
    """Change some of the App's settings before its start. Raises ConfigError."""
    parts = app._parts  # the command line is part of core; applications configure by file
    parts.settings = parts.resolve_settings().model_copy(update=changes)
    parts.url = None


def declared_topology(app: App) -> Topology:
    """The topics and groups that the code declares."""
    return topology_of(app.declarations.topics, app.declarations.subscribers)


def broker_of(app: App) -> Broker:
    """The Broker of a started App."""
    return app._lifecycle.engine.broker
