"""Plugins made for one check: modules in a folder of their own, gone when the check ends."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from anymq.config import Settings, resolve_role
from anymq.plugins.descriptor import BackendDescriptor
from anymq.plugins.entries import BACKEND_GROUP, PluginEntry
from anymq.plugins.registry import Registry
from anymq.plugins.selection import Selection
from anymq.testing.bench import Bench
from anymq.testing.check import expect
from anymq.urls import parse_url

__all__ = ["Subject", "decoy", "modules", "subject_of"]


class Subject:
    """The plugin under test, as the registry knows it."""

    def __init__(self, bench: Bench, url: str) -> None:
        self.url = parse_url(url)
        self.scheme = self.url.scheme
        self.entries = bench.registry.entries()
        found = [entry for entry in self.entries if entry.name == self.scheme]
        expect(found, f"the registry has no entry for the scheme {self.scheme!r}")
        self.entry = found[0]
        self.descriptor: BackendDescriptor = bench.registry.descriptor(self.scheme)
        settings = Settings(url=self.url)
        self.target = resolve_role(settings, "broker", bench.registry)

    @property
    def is_installed(self) -> bool:
        """Whether an entry point brings it; else it was registered by hand."""
        return bool(self.entry.distribution)

    def registry(self, *extra: PluginEntry, alone: bool = False) -> Registry:
        """A registry of its own: the plugin under test, the other ones unless alone, and extra."""
        own = [entry for entry in self.entries if entry.key == self.entry.key]
        installed = [entry for entry in (own if alone else self.entries) if entry.distribution]
        fresh = Registry(entries=(*installed, *extra), selection=Selection())
        if not self.is_installed:
            fresh.register(self.descriptor, name=self.entry.target)
        return fresh


async def subject_of(bench: Bench) -> Subject:
    """The plugin under test."""
    return Subject(bench, (await bench.harness.options())["url"])


def decoy(name: str, target: str, *, group: str = BACKEND_GROUP, dist: str = "") -> PluginEntry:
    """An entry point of a distribution that does not exist."""
    return PluginEntry(name, target, dist or f"dist-of-{name}", "1.0", group)


@contextmanager
def modules(sources: Mapping[str, str]) -> Iterator[Path]:
    """The folder with these modules, importable while the block runs."""
    with tempfile.TemporaryDirectory(prefix="anymq-kit-") as folder:
        for name, source in sources.items():
            Path(folder, f"{name}.py").write_text(source, encoding="utf-8")
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield Path(folder)
        finally:
            sys.path.remove(folder)
            for name in sources:
                sys.modules.pop(name, None)
