"""Rules of what code may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from tests.architecture.sources import Module

__all__ = [
    "every_task_has_a_group",
    "newsstand_names_no_backend",
    "no_assert_is_shipped",
    "no_base_http_middleware",
    "no_cancellation_is_swallowed",
    "no_pickle",
]

PICKLES = frozenset({"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"})
SWALLOWERS = frozenset({"BaseException", "CancelledError"})
SCHEMES = frozenset({"memory", "sqlite", "redis", "rediss", "amqp", "amqps", "kafka", "rabbitmq"})
URL = re.compile(rf"\b(celery\+)?({'|'.join(sorted(SCHEMES))})://")
BROKEN_ON_PURPOSE = "tests/conformance/broken"
"""Where backends leak tasks and worse, on which the conformance kit proves that it finds it."""
HAS_DEFAULTS = frozenset({"config", "settings"})
"""The modules that hold an application's default configuration."""


def every_task_has_a_group(module: Module) -> Iterator[str]:
    """Only what the module got from, annotates as, or calls a group may start a task."""
    if module.path.as_posix().startswith(BROKEN_ON_PURPOSE):
        return
    groups = _groups(module.tree)
    for node in ast.walk(module.tree):
        match node:
            case ast.ImportFrom(module="asyncio", names=names):
                bare = {"create_task", "ensure_future"} & {alias.name for alias in names}
                if bare:
                    yield module.at(node, f"asyncio.{', '.join(sorted(bare))}: use a TaskGroup")
            case ast.Attribute(attr="ensure_future"):
                yield module.at(node, "ensure_future: use a TaskGroup")
            case ast.Attribute(attr="create_task", value=owner):
                name = _last_name(owner)
                if name not in groups and not name.endswith("group"):
                    yield module.at(node, f"{ast.unparse(node)}: use a TaskGroup")


def no_assert_is_shipped(module: Module) -> Iterator[str]:
    """`python -O` removes asserts; only the conformance kit, which is made of them, has any."""
    if module.name.startswith("anymq.testing"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield module.at(node, "assert: raise an error of errors.py")


def no_base_http_middleware(module: Module) -> Iterator[str]:
    """Starlette's BaseHTTPMiddleware breaks streaming and context variables."""
    for node in ast.walk(module.tree):
        named = isinstance(node, ast.Name) and node.id == "BaseHTTPMiddleware"
        reached = isinstance(node, ast.Attribute) and node.attr == "BaseHTTPMiddleware"
        renamed = isinstance(node, ast.alias) and node.name == "BaseHTTPMiddleware"
        if named or reached or renamed:
            yield module.at(node, "BaseHTTPMiddleware: write an ASGI middleware")


def no_pickle(module: Module) -> Iterator[str]:
    """Nothing that runs code from bytes."""
    for node in ast.walk(module.tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.partition(".")[0] in PICKLES:
                yield module.at(node, f"{name} runs code that comes with the data")


def no_cancellation_is_swallowed(module: Module) -> Iterator[str]:
    """Who catches everything, or a cancellation, raises it again."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = _caught(node)
            if caught & SWALLOWERS and not _raises(node.body):
                yield module.at(node, f"except {', '.join(sorted(caught))} without raise")
        elif _suppressed(node) & SWALLOWERS:
            yield module.at(node, "suppress() swallows a cancellation")


def newsstand_names_no_backend(module: Module) -> Iterator[str]:
    """Which backend serves is configuration; only its default may stand in code."""
    if module.distribution != "newsstand" or module.name.split(".")[-1] in HAS_DEFAULTS:
        return
    prose = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) not in prose and (node.value in SCHEMES or URL.search(node.value)):
            yield module.at(node, f"names a backend: {node.value!r}")


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"BaseException"}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {_last_name(kind) for kind in types}


def _suppressed(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
        return {_last_name(argument) for argument in node.args}
    return set()


def _raises(body: Sequence[ast.AST]) -> bool:
    """Whether a raise stands in the body, outside functions defined there."""
    return any(
        isinstance(node, ast.Raise) or _raises(list(ast.iter_child_nodes(node)))
        for node in body
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )


def _groups(tree: ast.Module) -> set[str]:
    """Return the names by which a module knows its task groups."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=made, optional_vars=ast.expr() as name):
                known = [name]
            case ast.Assign(value=made, targets=known):
                pass
            case ast.AnnAssign(annotation=made, target=name):
                known = [name]
            case ast.arg(annotation=ast.expr() as made, arg=argument):
                known = [ast.Name(argument)]
            case _:
                continue
        if "TaskGroup" in ast.unparse(made):
            found |= {_last_name(name) for name in known}
    return found


def _last_name(node: ast.expr) -> str:
    """Return `c` of `a.b.c`, of `a.b.c()` and of `a.b.c[0]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last_name(inner)
        case _:
            return ""
