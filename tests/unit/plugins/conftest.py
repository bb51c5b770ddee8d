"""Distributions made on the spot: real modules and real metadata on the import path."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

__all__ = ["PLUGIN", "Site"]

PLUGIN = """
    from anymq.capabilities import Capabilities
    from anymq.options import BackendOptions
    from anymq.plugins import BackendDescriptor, hookimpl

    class Options(BackendOptions):
        bucket: str

    @hookimpl
    def anymq_backends():
        yield BackendDescriptor(
            name={name!r}, schemes={schemes!r}, options=Options,
            capabilities=Capabilities({{}}, frozenset()), package="anymq-{name}",
        )
"""


@dataclass
class Site:
    """A folder on the import path into which tests install distributions."""

    path: Path

    def module(self, name: str, source: str) -> None:
        """Write one importable module."""
        (self.path / f"{name}.py").write_text(dedent(source), encoding="utf-8")

    def distribution(
        self, name: str, entries: Mapping[str, str], *, group: str = "anymq.plugins"
    ) -> None:
        """Write the metadata of an installed distribution, version 1.2, with entry points."""
        folder = self.path / f"{name.replace('-', '_')}-1.2.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def backend(self, name: str, *, schemes: tuple[str, ...] = ()) -> str:
        """Install a whole working plugin ``anymq-<name>``; returns its module's name."""
        module = f"fake_{name}_plugin"
        self.module(module, PLUGIN.format(name=name, schemes=schemes or (name,)))
        self.distribution(f"anymq-{name}", dict.fromkeys(schemes or (name,), module))
        return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site; its modules are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("ANYMQ_PLUGINS", raising=False)
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
