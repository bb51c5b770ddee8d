"""The configuration as it was given: key, value without secrets, and place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymq.config.given import Given, leaves
from anymq.config.layers import config_file
from anymq.config.load import layered_tree
from anymq.urls import MASK, is_secret_name, redact

__all__ = ["GivenSetting", "given_settings", "read_file_name"]


@dataclass(frozen=True, slots=True)
class GivenSetting:
    """One key that somebody set."""

    key: str
    value: str
    """Fit to be shown."""
    origin: str


def read_file_name() -> str | None:
    """The configuration file that is read in this folder. Raises ConfigError."""
    path = config_file(Path.cwd(), os.environ)
    return None if path is None else str(path)


def given_settings(arguments: Mapping[str, Any]) -> list[GivenSetting]:
    """Every key that a file, a variable or an argument sets, by name. Raises ConfigError."""
    tree = layered_tree(arguments, environ=os.environ, folder=Path.cwd())
    found = [
        GivenSetting(".".join(path), _shown(path, given), given.origin)
        for path, given in leaves(tree)
    ]
    return sorted(found, key=lambda setting: setting.key)


def _shown(path: tuple[str, ...], given: Given) -> str:
    key = path[-1]
    is_file = key.endswith("_file")
    if not is_file and (is_secret_name(key) or "keys" in path[:-1]):
        return MASK
    if isinstance(given.value, str) and (key in ("url", "store") or "://" in given.value):
        return redact(given.value)
    return given.value if isinstance(given.value, str) else json.dumps(given.value, default=repr)
