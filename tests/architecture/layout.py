"""Rules of how files are cut and named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from tests.architecture.sources import Module

__all__ = ["all_is_complete", "files_are_short", "modules_are_named_after_one_idea"]

MAX_LINES = 300
EMPTY_WORDS = frozenset({"utils", "util", "helpers", "helper", "manager", "misc", "common"})
SILENT = frozenset({"__main__", "conftest"})
"""Modules that are run, not imported."""


def files_are_short(module: Module) -> Iterator[str]:
    """A file that grows over the limit holds two ideas."""
    lines = module.text.count("\n")
    if lines > MAX_LINES:
        yield f"{module.path}: {lines} lines, at most {MAX_LINES}"


def modules_are_named_after_one_idea(module: Module) -> Iterator[str]:
    """No drawers for what has no place."""
    for part in module.name.split("."):
        if EMPTY_WORDS & set(part.strip("_").split("_")):
            yield f"{module.path}: {part} says nothing about what is inside"


def all_is_complete(module: Module) -> Iterator[str]:
    """`__all__` is there, every name in it exists, and every public class and function is in it."""
    body = [node for node in module.tree.body if not _is_text(node)]
    if not body or module.name.split(".")[-1] in SILENT:
        return
    listed = _listed(body)
    if listed is None:
        yield f"{module.path}: no __all__, or not a plain list of strings"
        return
    bound = set(_bound(body))
    if "__getattr__" not in bound:  # with it, names may come when they are asked for
        for name in sorted(listed - bound):
            yield f"{module.path}: __all__ lists {name}, which is not there"
    for node in body:
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and node.name not in listed
            and not _is_registered(node)
        ):
            yield module.at(node, f"{node.name} is public but not in __all__")


def _is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a decorator hands the function to what calls it: nobody imports it by its name."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="check" | "also")):  # of the conformance kit
                return True
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner))) if owner != "functools":
                return not isinstance(node, ast.ClassDef)  # a route, a subscriber, a command
    return False


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _listed(body: list[ast.stmt]) -> set[str] | None:
    for node in body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=value)
            ) if value is not None:
                return _strings(value)
    return None


def _strings(value: ast.expr) -> set[str] | None:
    try:
        names = ast.literal_eval(value)
    except ValueError:
        return None
    return set(names) if isinstance(names, list | tuple) else None


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that the top level of a module binds, inside `if` and `try` too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _bound([child for child in ast.walk(node) if _is_inner(child, node)])
        else:
            yield from (
                name.id
                for name in ast.walk(node)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            )


def _is_inner(child: ast.AST, node: ast.stmt) -> TypeGuard[ast.stmt]:
    return child is not node and isinstance(child, ast.stmt)
