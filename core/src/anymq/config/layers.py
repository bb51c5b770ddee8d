"""The layers of configuration, lowest first: file, environment, arguments."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anymq.config.given import Given, Tree, grow, merge
from anymq.errors import ConfigError
from anymq.suggestion import did_you_mean

__all__ = ["CONFIG_VARIABLE", "argument_layer", "config_file", "environment_layer", "file_layer"]

CONFIG_VARIABLE = "ANYMQ_CONFIG"
PREFIX = "ANYMQ_"
SEPARATOR = "__"
ROLES = ("broker", "tasks", "stream")
_TOML, _PYPROJECT = "anymq.toml", "pyproject.toml"

# Names with our prefix that configure something else: this module, the plugin registry, tests.
_OTHERS = re.compile(r"ANYMQ_(CONFIG|PLUGINS|(TEST|BENCH|SERVICES)_\w+)")
# Kubernetes sets such variables for every service whose name begins with "anymq".
_SERVICE_LINKS = re.compile(
    r"ANYMQ_([A-Z0-9]+_)*(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


def config_file(folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The file that is read: ``ANYMQ_CONFIG``, else anymq.toml or pyproject.toml in ``folder``.

    pyproject.toml counts only where it has a table ``[tool.anymq]``. No parent folder is searched:
    what a process reads must not depend on where its project happens to lie.
    """
    named = environ.get(CONFIG_VARIABLE)
    if named:
        path = folder / named
        if not path.is_file():
            raise ConfigError(f"{CONFIG_VARIABLE}: there is no file {named!r}")
        return path
    if (folder / _TOML).is_file():
        return folder / _TOML
    pyproject = folder / _PYPROJECT
    if pyproject.is_file() and "anymq" in _table(_read(pyproject), "tool"):
        return pyproject
    return None


def file_layer(path: Path | None) -> Tree:
    """The table ``[anymq]`` (or ``[tool.anymq]``) of the file; empty without a file."""
    if path is None:
        return {}
    document = _read(path)
    is_pyproject = path.name == _PYPROJECT
    if not is_pyproject:
        for key in document:
            if key != "anymq":
                raise ConfigError(f"{path.name}: {key!r} must stand below the table [anymq]")
    table = _table(_table(document, "tool") if is_pyproject else document, "anymq")
    header = "tool.anymq" if is_pyproject else "anymq"

    def where(keys: tuple[str, ...]) -> str:
        return f"{path.name}: [{'.'.join((header, *keys[:-1]))}] {keys[-1]}"

    return grow(table, where)


def environment_layer(environ: Mapping[str, str], known: tuple[str, ...]) -> Tree:
    """``ANYMQ_GRACE_S=5`` and, nested, ``ANYMQ_BROKER__URL=…``; an empty value counts as not set.

    ``known`` are the keys at the top: a variable that is none of them raises ConfigError.
    """
    tree: Tree = {}
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(PREFIX) or not value or _is_foreign(name):
            continue
        keys = name.removeprefix(PREFIX).lower().split(SEPARATOR)
        if keys[0] not in known:
            variables = [PREFIX + key.upper() for key in known]
            raise ConfigError(f"{name}: there is no such setting{did_you_mean(name, variables)}")
        node: Tree = {keys[-1]: Given(value, name, is_text=True)}
        for key in reversed(keys[:-1]):
            node = {key: node}
        tree = merge(tree, node)
    return tree


def argument_layer(arguments: Mapping[str, Any]) -> Tree:
    """What the code passed; None counts as not given."""
    given = {key: value for key, value in arguments.items() if value is not None}
    return grow(given, lambda keys: f"argument {'.'.join(keys)!r}")


def _is_foreign(name: str) -> bool:
    if _OTHERS.fullmatch(name):
        return True
    return SEPARATOR not in name and _SERVICE_LINKS.fullmatch(name) is not None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problem = str(error)
    raise ConfigError(f"{path.name}: cannot be read as TOML: {problem}")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{name!r} must be a table, as in [{name}]")
    return table
