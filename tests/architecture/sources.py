"""The source files of the workspace, parsed once, as the rules see them."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

__all__ = ["ROOT", "Module", "Rule", "broken", "distributions", "everything", "packages", "shipped"]

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"versions"}
"""Folders of migrations: made by a tool, read by it, never imported."""
HIDDEN_BUT_OURS = ".ci"


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file."""

    path: Path
    name: str
    """Dotted, as it is imported; of files that nobody imports, the path with dots."""
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, text: str, *, name: str = "anymq.sample", path: Path | None = None) -> Module:
        """Return the module of a piece of source code."""
        return cls(path or Path("sample.py"), name, text, ast.parse(text))

    @property
    def distribution(self) -> str:
        """The top-level package, such as `anymq_redis`."""
        return self.name.partition(".")[0]

    def at(self, node: ast.AST, what: str) -> str:
        """Return a line that names the place of a violation."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


Rule: TypeAlias = Callable[[Module], Iterator[str]]
"""Yields one line per violation."""


def broken(rule: Rule, modules: tuple[Module, ...]) -> list[str]:
    """Return what a rule has against the modules, in their order."""
    return [line for module in modules for line in rule(module)]


@cache
def distributions() -> tuple[Path, ...]:
    """Return the folders of the workspace's distributions."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    return tuple(path for member in workspace["members"] for path in sorted(ROOT.glob(member)))


@cache
def packages() -> tuple[Path, ...]:
    """Return the top-level package folder of every distribution."""
    found = (folder for member in distributions() for folder in (member / "src").iterdir())
    return tuple(sorted(folder for folder in found if (folder / "__init__.py").exists()))


@cache
def shipped() -> tuple[Module, ...]:
    """Return every module that users install."""
    return tuple(
        _read(path, root=package.parent) for package in packages() for path in _files(package)
    )


@cache
def everything() -> tuple[Module, ...]:
    """Return every Python file that people write, tests and tools included."""
    folders = [
        folder
        for folder in sorted(ROOT.iterdir())
        if folder.is_dir() and (not folder.name.startswith(".") or folder.name == HIDDEN_BUT_OURS)
    ]
    return tuple(_read(path, root=ROOT) for folder in folders for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not GENERATED & set(path.parts):
            yield path


def _read(path: Path, *, root: Path) -> Module:
    inside = path.relative_to(root).with_suffix("")
    parts = [part for part in inside.parts if part != "__init__"]
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(ROOT), ".".join(parts), text, ast.parse(text))
