"""Rules of who may import whom: apps -> portable -> abc <- plugins."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import Module

__all__ = [
    "abc_is_narrow",
    "core_knows_no_plugin",
    "foundations_know_nothing_above",
    "memory_is_a_plugin_like_any_other",
    "newsstand_uses_what_is_public",
    "plugins_use_what_authors_may_use",
]

WORDS = frozenset({"message", "outcome", "errors", "capabilities", "options", "topology", "urls"})
"""The modules of plain data under everything."""
FOR_AUTHORS = frozenset({"abc", "support", "plugins"}) | WORDS - {"urls"}
"""What a backend may import of core."""
INTERNAL = frozenset(
    {"abc", "cli", "emulation", "memory", "pipeline", "plugins", "runtime", "support", "urls"}
)
"""What an application may not import of core."""
CLIENTS = frozenset(
    {"aio_pika", "aiormq", "celery", "confluent_kafka", "kombu", "pamqp", "redis", "rstream"}
)


def plugins_use_what_authors_may_use(module: Module) -> Iterator[str]:
    """A plugin's source imports what a third party may, and no other plugin."""
    if not module.distribution.startswith("anymq_"):
        return
    # A plugin may bring the kit's harness for it: its own module, which only the kit imports.
    allowed = FOR_AUTHORS | ({"testing", "urls"} if module.name.endswith(".harness") else set())
    for node, target in imported(module):
        if _is_of(target, "anymq") and _part(target) not in allowed:
            yield module.at(node, f"a plugin imports {target}")
        if target.startswith(("anymq_", "newsstand")) and not _is_of(target, module.distribution):
            yield module.at(node, f"a plugin imports another distribution, {target}")


def memory_is_a_plugin_like_any_other(module: Module) -> Iterator[str]:
    """The memory backend uses nothing that a third party cannot."""
    if not _is_of(module.name, "anymq.memory"):
        return
    for node, target in imported(module):
        if _is_of(target, "anymq") and _part(target) not in FOR_AUTHORS | {"memory"}:
            yield module.at(node, f"the memory backend imports {target}")


def abc_is_narrow(module: Module) -> Iterator[str]:
    """The interfaces lean on plain data only."""
    if not _is_of(module.name, "anymq.abc"):
        return
    for node, target in imported(module):
        if _is_of(target, "anymq.support.clock"):  # a Protocol: what a driver is given to wait by
            continue
        if _is_of(target, "anymq") and _part(target) not in WORDS | {"abc"}:
            yield module.at(node, f"an interface imports {target}")


def foundations_know_nothing_above(module: Module) -> Iterator[str]:
    """Plain data and what authors build from lean on each other and on the interfaces only."""
    if not _is_of(module.name, "anymq") or _part(module.name) not in WORDS | {"support"}:
        return
    allowed = WORDS | {"abc", "support", "suggestion"}
    for node, target in imported(module):
        if _is_of(target, "anymq") and _part(target) not in allowed:
            yield module.at(node, f"{module.name} imports {target}")


def core_knows_no_plugin(module: Module) -> Iterator[str]:
    """Core finds backends by entry point, never by name."""
    if module.distribution != "anymq":
        return
    for node, target in imported(module):
        top = target.partition(".")[0]
        if top.startswith("anymq_") or top == "newsstand" or top in CLIENTS - {"celery", "kombu"}:
            yield module.at(node, f"core imports {target}")


def newsstand_uses_what_is_public(module: Module) -> Iterator[str]:
    """The newsstand is written as any application is."""
    if module.distribution != "newsstand":
        return
    for node, target in imported(module):
        top = target.partition(".")[0]
        inside = _is_of(target, "anymq") and _part(target) in INTERNAL
        if inside or "._" in target or top.startswith("anymq_") or top in CLIENTS:
            yield module.at(node, f"the newsstand imports {target}")


def imported(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each import with its dotted target, `from a import b` as `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def _is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _part(name: str) -> str:
    """Return `abc` of `anymq.abc.broker`, and nothing of `anymq`."""
    return name.split(".")[1] if "." in name else ""
