"""The registry: which backends are installed, and the one that a scheme asks for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from anymq.errors import ConfigError, PluginError
from anymq.plugins.descriptor import BackendDescriptor
from anymq.plugins.entries import BACKEND_GROUP, EXTENSION_GROUP, PluginEntry, read_entries
from anymq.plugins.extensions import Extensions
from anymq.plugins.loader import collect_backends
from anymq.plugins.remedies import brief, doubled, how_to_mend, trace_of, unknown_scheme
from anymq.plugins.selection import PLUGINS_VARIABLE, Selection

__all__ = ["PluginStatus", "Registry"]


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """How one backend's entry is doing, for ``anymq doctor`` and ``anymq backends``."""

    entry: PluginEntry
    status: Literal["ok", "broken", "excluded"]
    descriptor: BackendDescriptor | None = None
    problem: str = ""
    """One line: what is wrong and what to do; "" when nothing is."""
    trace: str = ""
    """The traceback of a plugin that cannot be imported."""


@dataclass(frozen=True, slots=True)
class _Failure:
    text: str
    cause: BaseException | None
    trace: str


class Registry:
    """Backends by URL scheme. Nothing is global: every application may have a registry of its own.

    Reads entry points when first asked, imports a plugin when its scheme is asked for, and keeps
    what it learned. Meant for start-up, from one thread.
    """

    def __init__(
        self,
        *,
        entries: Iterable[PluginEntry] | None = None,
        selection: Selection | None = None,
    ) -> None:
        """Use what is installed and ``ANYMQ_PLUGINS``, or what is given instead."""
        self._given = None if entries is None else tuple(entries)
        self._selection = selection or Selection.parse(os.environ.get(PLUGINS_VARIABLE))
        self._registered: dict[str, tuple[PluginEntry, BackendDescriptor]] = {}
        self._loaded: dict[tuple[str, str], tuple[BackendDescriptor, ...]] = {}
        self._failures: dict[tuple[str, str], _Failure] = {}
        self._owners: dict[str, PluginEntry] = {}
        self._extensions: Extensions | None = None

    def entries(self) -> tuple[PluginEntry, ...]:
        """Every backend's entry, registered or installed, excluded ones too; imports nothing."""
        registered = (entry for entry, _ in self._registered.values())
        return (*registered, *self._installed(BACKEND_GROUP))

    def schemes(self) -> tuple[str, ...]:
        """The schemes that may be used, sorted; imports nothing, so one may still be broken."""
        allowed = {entry.name for entry in self._allowed(BACKEND_GROUP)}
        return tuple(sorted(allowed | self._registered.keys()))

    def descriptor(self, scheme: str) -> BackendDescriptor:
        """The backend of a scheme; imports the one plugin that brings it.

        Raises: ConfigError for a scheme that nobody brings or ``ANYMQ_PLUGINS`` leaves out;
        PluginError, with the cause, for a plugin that is broken or claimed twice.
        """
        if scheme in self._registered:
            return self._registered[scheme][1]
        self._selection.check(self._all())
        return self._find(self._only_entry(scheme))

    def register(self, plugin: object, *, name: str) -> tuple[BackendDescriptor, ...]:
        """Add a plugin object (module, instance, class or descriptor); ``name`` is for errors.

        Its schemes are usable at once. Raises PluginError when it is broken, or claims a name or
        scheme that another one has.
        """
        descriptors = collect_backends(plugin, name=repr(name))
        for descriptor in descriptors:
            self._check_rivals(descriptor, name)
        for descriptor in descriptors:
            self._owners[descriptor.name] = PluginEntry(descriptor.name, name, "")
            for scheme in descriptor.schemes:
                self._registered[scheme] = (PluginEntry(scheme, name, ""), descriptor)
        return descriptors

    def extensions(self) -> Extensions:
        """The extensions, loaded when first asked for; broken ones are told of and left out."""
        if self._extensions is None:
            self._extensions = Extensions.load(self._allowed(EXTENSION_GROUP))
        return self._extensions

    def inspect(self) -> tuple[PluginStatus, ...]:
        """Load every backend and tell how it went, by scheme. Never raises for a plugin's fault."""
        return tuple(sorted(map(self._status, self.entries()), key=lambda s: s.entry.name))

    def _all(self) -> tuple[PluginEntry, ...]:
        if self._given is None:
            self._given = read_entries(BACKEND_GROUP) + read_entries(EXTENSION_GROUP)
        return self._given

    def _installed(self, group: str) -> list[PluginEntry]:
        return [entry for entry in self._all() if entry.group == group]

    def _allowed(self, group: str) -> list[PluginEntry]:
        return [entry for entry in self._installed(group) if self._selection.allows(entry)]

    def _only_entry(self, scheme: str) -> PluginEntry:
        allowed = [entry for entry in self._allowed(BACKEND_GROUP) if entry.name == scheme]
        if len(allowed) > 1:
            raise PluginError(doubled("scheme", scheme, allowed))
        if allowed:
            return allowed[0]
        for entry in self._installed(BACKEND_GROUP):
            if entry.name == scheme:
                raise ConfigError(
                    f"backend {entry} is installed, but left out by {self._selection}"
                )
        raise ConfigError(unknown_scheme(scheme, self.schemes()))

    def _find(self, entry: PluginEntry) -> BackendDescriptor:
        for descriptor in self._load(entry):
            if entry.name in descriptor.schemes:
                return descriptor
        raise PluginError(
            f"plugin {entry} yields no backend with the scheme {entry.name!r}; {how_to_mend(entry)}"
        )

    def _load(self, entry: PluginEntry) -> tuple[BackendDescriptor, ...]:
        if entry.key not in self._loaded and entry.key not in self._failures:
            try:
                self._loaded[entry.key] = self._import(entry)
            except PluginError as error:
                text = f"{error}; {how_to_mend(entry)}"
                self._failures[entry.key] = _Failure(text, error.__cause__, "")
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an import raises
                text = f"plugin {entry} cannot be loaded: {brief(error)}; {how_to_mend(entry)}"
                self._failures[entry.key] = _Failure(text, error, trace_of(error))
        if entry.key in self._failures:
            failure = self._failures[entry.key]
            raise PluginError(failure.text) from failure.cause
        return self._loaded[entry.key]

    def _import(self, entry: PluginEntry) -> tuple[BackendDescriptor, ...]:
        descriptors = collect_backends(entry.load(), name=str(entry))
        for descriptor in descriptors:
            self._check_entry_points(descriptor, entry)
            owner = self._owners.get(descriptor.name, entry)
            if owner.key != entry.key:
                raise PluginError(doubled("backend", descriptor.name, [owner, entry]))
        self._owners.update({descriptor.name: entry for descriptor in descriptors})
        return descriptors

    def _check_entry_points(self, descriptor: BackendDescriptor, entry: PluginEntry) -> None:
        shared = {other.name for other in self._installed(entry.group) if other.key == entry.key}
        missing = [n for n in (descriptor.name, *descriptor.schemes) if n not in shared]
        if missing:
            raise PluginError(
                f"plugin {entry}: backend {descriptor.name!r} uses the name {missing[0]!r} without"
                f" an entry point of that name in the group {entry.group!r}"
            )

    def _check_rivals(self, descriptor: BackendDescriptor, name: str) -> None:
        rivals = {entry.name: entry for entry in self._allowed(BACKEND_GROUP)} | self._owners
        rivals |= {scheme: entry for scheme, (entry, _) in self._registered.items()}
        for claim in (descriptor.name, *descriptor.schemes):
            if claim in rivals:
                claims = [rivals[claim], PluginEntry(claim, name, "")]
                raise PluginError(doubled("backend", claim, claims))

    def _status(self, entry: PluginEntry) -> PluginStatus:
        if not entry.distribution:
            return PluginStatus(entry, "ok", self._registered[entry.name][1])
        if not self._selection.allows(entry):
            return PluginStatus(entry, "excluded", problem=f"left out by {self._selection}")
        try:
            return PluginStatus(entry, "ok", self._find(self._only_entry(entry.name)))
        except PluginError as error:
            failure = self._failures.get(entry.key)
            trace = failure.trace if failure else ""
            return PluginStatus(entry, "broken", problem=str(error), trace=trace)
