"""From a plugin's object to checked descriptors, and from text to an object."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from anymq.errors import ConfigError, PluginError
from anymq.plugins.descriptor import API_VERSION, BackendDescriptor
from anymq.plugins.hookspecs import BACKEND_PROJECT, BackendHooks, ExtensionHooks
from anymq.suggestion import did_you_mean

__all__ = ["collect_backends", "load_object", "new_manager", "register_checked"]

_MISSING = object()
_NAME = re.compile(r"[a-z][a-z0-9+.-]*")


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows all hooks and no plugin."""
    manager = pluggy.PluginManager(BACKEND_PROJECT)
    manager.add_hookspecs(BackendHooks)
    manager.add_hookspecs(ExtensionHooks)
    return manager


def register_checked(manager: pluggy.PluginManager, plugin: object, *, name: str) -> None:
    """Register a plugin, or leave the manager as it was.

    Raises PluginError for hooks that do not exist and for arguments that the hook does not have.
    """
    problem = ""
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        problem = str(error).splitlines()[0]
    if problem:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(f"plugin {name} does not fit the hooks: {problem}")


def collect_backends(plugin: object, *, name: str) -> tuple[BackendDescriptor, ...]:
    """The descriptors a plugin yields, checked. Raises PluginError, or what the hook raises."""
    if isinstance(plugin, BackendDescriptor):
        return _checked((plugin,), name)
    instance = plugin() if isinstance(plugin, type) else plugin
    manager = new_manager()
    register_checked(manager, instance, name=name)
    results = manager.hook.anymq_backends()
    return _checked(_flatten(results, name), name)


def load_object(spec: str) -> Any:
    """Import what ``module``, ``module:name``, ``file.py`` or ``file.py:name`` stands for.

    Raises ConfigError that says what is missing, or what went wrong during the import and where.
    """
    location, _, attribute = spec.rpartition(":") if ":" in spec else (spec, "", "")
    if not location:
        raise ConfigError(f"{spec!r} must look like module:name or path/file.py:name")
    path = Path(location)
    module = _import_file(path) if path.suffix == ".py" else _import_module(location)
    return _resolve(module, attribute, spec) if attribute else module


def _flatten(results: Iterable[Any], name: str) -> Iterator[Any]:
    for result in results:
        if inspect.iscoroutine(result):
            result.close()
            raise PluginError(f"plugin {name}: hooks are plain functions, not 'async def'")
        yield from result


def _checked(yielded: Iterable[Any], name: str) -> tuple[BackendDescriptor, ...]:
    descriptors: dict[str, BackendDescriptor] = {}
    for item in yielded:
        if not isinstance(item, BackendDescriptor):
            raise PluginError(
                f"plugin {name} yields a {type(item).__name__} where a BackendDescriptor is due"
            )
        _check_descriptor(item, name)
        if item.name in descriptors:
            raise PluginError(f"plugin {name} yields two backends named {item.name!r}")
        descriptors[item.name] = item
    if not descriptors:
        raise PluginError(
            f"plugin {name} yields no backend: it needs a function anymq_backends"
            " that is marked with anymq.plugins.hookimpl"
        )
    return tuple(descriptors.values())


def _check_descriptor(descriptor: BackendDescriptor, name: str) -> None:
    if descriptor.api_version != API_VERSION:
        raise PluginError(
            f"plugin {name}: backend {descriptor.name!r} was made for version"
            f" {descriptor.api_version} of the interfaces, this AnyMQ has version {API_VERSION}:"
            " install releases that fit together"
        )
    if not descriptor.schemes:
        raise PluginError(f"plugin {name}: backend {descriptor.name!r} has no URL scheme")
    for text in (descriptor.name, *descriptor.schemes):
        if not _NAME.fullmatch(text):
            raise PluginError(
                f"plugin {name}: {text!r} is no name for a backend or scheme:"
                " use lower case letters, digits, '+', '.' and '-'"
            )


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"there is no module {name!r}: is it installed, or the working directory right?"
            ) from error
        raise _import_failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(name, error) from error


def _import_file(path: Path) -> ModuleType:
    name = f"_anymq_file_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"there is no Python file {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _import_failed(str(path), error) from error
    return module


def _import_failed(what: str, error: BaseException) -> ConfigError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if len(own) > 1 else ""
    return ConfigError(f"cannot import {what!r}: {type(error).__name__}: {error}{where}")


def _resolve(module: ModuleType, attribute: str, spec: str) -> Any:
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, _MISSING)
        if found is _MISSING:
            known = [name for name in vars(module) if not name.startswith("_")]
            raise ConfigError(
                f"{spec!r}: there is no {attribute!r}{did_you_mean(attribute, known)}"
            )
    return found
