"""What ``anymq doctor`` finds out: plugins, extensions, configuration, servers."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import get_args

from anymq.abc import BackendContext, Broker, Stream
from anymq.cli.settings_view import GivenSetting, given_settings, read_file_name
from anymq.config import Role, RoleTarget, Settings, load_settings, resolve_role
from anymq.errors import AnyMQError, ConfigError
from anymq.plugins import PluginStatus, Registry
from anymq.plugins.extensions import BrokenExtension
from anymq.plugins.remedies import brief
from anymq.support.clock import SystemClock

__all__ = ["Diagnosis", "ServerCheck", "diagnose"]

_ROLES: tuple[Role, ...] = get_args(Role)
# What a check may take beyond the connect timeout that the options give.
_SLACK_S = 3.0


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One configured backend, tried."""

    roles: tuple[str, ...]
    url: str
    server: str = ""
    problem: str = ""


@dataclass(slots=True)
class Diagnosis:
    """Everything that was found; a problem is "" where there is none."""

    versions: dict[str, str]
    plugins: tuple[PluginStatus, ...]
    extensions: list[str]
    broken_extensions: list[BrokenExtension]
    config_file: str | None = None
    settings: list[GivenSetting] = field(default_factory=list)
    config_problem: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    """The URL of each role; "none" for one that has no backend while others have."""
    role_problems: dict[str, str] = field(default_factory=dict)
    servers: list[ServerCheck] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs mending."""
        return not (
            self.config_problem
            or self.role_problems
            or self.broken_extensions
            or any(status.status == "broken" for status in self.plugins)
            or any(check.problem for check in self.servers)
        )


def diagnose(registry: Registry, *, try_servers: bool) -> Diagnosis:
    """Look at everything; never raises for what it finds."""
    extensions = registry.extensions()
    found = Diagnosis(
        versions={"anymq": version("anymq"), "python": platform.python_version()},
        plugins=registry.inspect(),
        extensions=[str(entry) for entry in extensions.loaded.values()],
        broken_extensions=extensions.broken,
    )
    try:
        found.config_file = read_file_name()
        found.settings = given_settings({})
        settings = load_settings()
    except ConfigError as error:
        found.config_problem = str(error)
        return found
    targets = _resolve_roles(settings, registry, found)
    if try_servers:
        found.servers = asyncio.run(_try_all(targets, settings))
    return found


def _resolve_roles(
    settings: Settings, registry: Registry, found: Diagnosis
) -> dict[str, RoleTarget]:
    targets: dict[str, RoleTarget] = {}
    named = {role for role in _ROLES if settings.url or settings.role(role).url}
    for role in _ROLES:
        if named and role not in named:
            found.roles[role] = "none"
            continue
        try:
            targets[role] = resolve_role(settings, role, registry)
            found.roles[role] = str(targets[role].url)
        except AnyMQError as error:
            if not named:
                found.config_problem = str(error)
                break
            found.role_problems[role] = str(error)
    return targets


async def _try_all(targets: dict[str, RoleTarget], settings: Settings) -> list[ServerCheck]:
    """Each distinct backend once; the default is not tried, for that would make its file."""
    by_backend: dict[str, tuple[RoleTarget, list[str]]] = {}
    for role, target in targets.items():
        if target.where != "default":
            key = repr((target.descriptor.name, target.options))
            by_backend.setdefault(key, (target, []))[1].append(role)
    return [await _try_one(target, tuple(roles), settings) for target, roles in by_backend.values()]


async def _try_one(target: RoleTarget, roles: tuple[str, ...], settings: Settings) -> ServerCheck:
    context = BackendContext(SystemClock(), settings.namespace, "anymq-doctor")
    factory = target.descriptor.broker or target.descriptor.stream
    url = str(target.url)
    if factory is None:
        return ServerCheck(roles, url, problem=f"{target.descriptor.name!r} cannot be tried")
    limit_s = target.options.connect_timeout_s + _SLACK_S
    try:
        backend = factory(target.options, context)
        async with asyncio.timeout(limit_s):
            return ServerCheck(roles, url, server=await _greet(backend))
    except TimeoutError:
        return ServerCheck(roles, url, problem=f"no answer within {limit_s:g} s")
    except Exception as error:  # noqa: BLE001 - the doctor reports whatever a driver raises
        return ServerCheck(roles, url, problem=brief(error))


async def _greet(backend: Broker | Stream) -> str:
    """Open, ask for the health, close; returns the server's product and version."""
    try:
        capabilities = await backend.open(lambda event: None)
        health = await backend.health()
        if health.status != "up":
            raise AnyMQError(f"health is {health.status}: {health.detail}")
        return capabilities.server or "up"
    finally:
        await backend.aclose(timeout_s=_SLACK_S)
