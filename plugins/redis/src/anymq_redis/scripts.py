"""The scripts that run on the server, each one step that cannot be half done."""

from __future__ import annotations

import hashlib
from importlib.resources import files

__all__ = ["SOURCES", "script"]


def _read(name: str) -> str:
    return (files("anymq_redis") / "lua" / f"{name}.lua").read_text("utf-8")


_NAMES = (
    "ack",
    "append",
    "commit",
    "declare",
    "disown",
    "due",
    "fence",
    "give_back",
    "hand_back",
    "job_create",
    "job_replace",
    "keep",
    "let_go",
    "own",
    "purge",
    "read_owned",
    "recover",
    "remove_group",
    "replace",
    "resolve",
    "send",
    "take_over",
    "trim",
)
SOURCES: dict[str, str] = {name: _read(name) for name in _NAMES}
_DIGESTS = {
    # What EVALSHA calls a script by; nothing secret depends on it.
    name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    for name, source in SOURCES.items()
}


def script(name: str, keys: int) -> tuple[str, str, int]:
    """How a command begins that runs a script: followed by its ``keys`` keys and arguments."""
    return ("EVALSHA", _DIGESTS[name], keys)
