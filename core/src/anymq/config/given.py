"""A configured value together with where it was given, so that every error can name the place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Given", "Tree", "collapse", "grow", "leaves", "merge"]

FILE_SUFFIX = "_file"


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """One value as it was given. Its ``repr`` leaves the value out: it may be a secret."""

    value: Any
    origin: str
    """For people: ``anymq.toml: [anymq.broker] prefetch``, or ``ANYMQ_BROKER__PREFETCH``."""
    is_text: bool = False
    """From a variable or a URL, where everything is text; otherwise the type is meant."""

    def __repr__(self) -> str:
        return f"Given({self.origin!r})"


Tree = Mapping[str, "Given | Tree"]


def grow(
    values: Mapping[str, Any], where: Callable[[tuple[str, ...]], str], _path: tuple[str, ...] = ()
) -> Tree:
    """A tree from nested mappings; ``where`` tells the origin of a path of keys."""
    return {
        key: grow(value, where, (*_path, key))
        if isinstance(value, Mapping)
        else value
        if isinstance(value, Given)
        else Given(value, where((*_path, key)))
        for key, value in values.items()
    }


def merge(lower: Tree, upper: Tree) -> Tree:
    """Both trees, ``upper`` wins. ``key`` replaces ``key_file`` below it, and the reverse."""
    merged = {key: node for key, node in lower.items() if _twin(key) not in upper}
    for key, node in upper.items():
        below = merged.get(key)
        both_tables = isinstance(node, Mapping) and isinstance(below, Mapping)
        merged[key] = merge(below, node) if both_tables else node  # type: ignore[arg-type]
    return merged


def leaves(tree: Tree, _path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Given]]:
    """Every value with its path of keys."""
    for key, node in tree.items():
        if isinstance(node, Given):
            yield (*_path, key), node
        else:
            yield from leaves(node, (*_path, key))


def collapse(node: Given | Tree) -> Given:
    """A table as one value; it counts as text when one of its values is."""
    if isinstance(node, Given):
        return node
    parts = {key: collapse(child) for key, child in node.items()}
    origin = next((part.origin for part in parts.values()), "")
    return Given(
        {key: part.value for key, part in parts.items()},
        origin,
        any(part.is_text for part in parts.values()),
    )


def _twin(key: str) -> str:
    return key.removesuffix(FILE_SUFFIX) if key.endswith(FILE_SUFFIX) else key + FILE_SUFFIX
