"""A plugin's object is checked before anybody uses it; objects are imported with clear errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from anymq.capabilities import Capabilities
from anymq.errors import ConfigError, PluginError
from anymq.options import BackendOptions
from anymq.plugins import BackendDescriptor, hookimpl
from anymq.plugins.loader import collect_backends, load_object
from tests.unit.plugins.conftest import Site


def _descriptor(
    name: str = "mars", schemes: tuple[str, ...] = ("mars",), version: int = 1
) -> BackendDescriptor:
    return BackendDescriptor(
        name=name,
        schemes=schemes,
        options=BackendOptions,
        capabilities=Capabilities({}, frozenset()),
        api_version=version,
    )


class _Yields:
    def __init__(self, *items: object) -> None:
        self.items = items

    @hookimpl
    def anymq_backends(self) -> object:
        yield from self.items


class _Async:
    @hookimpl
    async def anymq_backends(self) -> list[object]:
        return []


class _Misspelt:
    @hookimpl
    def anymq_bakends(self) -> list[object]:
        return []


class _ExtraArgument:
    @hookimpl
    def anymq_backends(self, registry: object) -> list[object]:
        return []


class _Unmarked:
    def anymq_backends(self) -> list[object]:
        return []


class _Raises:
    @hookimpl
    def anymq_backends(self) -> object:
        yield _descriptor()
        raise LookupError("half way")


def test_yielded_descriptors_are_returned() -> None:
    """Generators, instances and classes all work; the order is the plugin's."""
    pair = (_descriptor("mars"), _descriptor("venus", ("venus", "venus+tls")))

    assert collect_backends(_Yields(*pair), name="x") == pair
    assert collect_backends(pair[0], name="x") == pair[:1]


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        (_Misspelt(), r"does not fit the hooks: unknown hook 'anymq_bakends'"),
        (_ExtraArgument(), r"does not fit the hooks: .*anymq_backends"),
        (_Async(), r"hooks are plain functions"),
        (_Unmarked, r"yields no backend: it needs a function anymq_backends"),
        (_Yields(), r"yields no backend"),
        (_Yields("mars"), r"yields a str where a BackendDescriptor is due"),
        (_Yields(_descriptor(version=2)), r"version 2 of the interfaces, this AnyMQ has version 1"),
        (_Yields(_descriptor(schemes=())), r"'mars' has no URL scheme"),
        (_Yields(_descriptor(name="Mars")), r"'Mars' is no name .*lower case"),
        (_Yields(_descriptor(schemes=("ma_rs",))), r"'ma_rs' is no name"),
        (_Yields(_descriptor(), _descriptor()), r"yields two backends named 'mars'"),
    ],
)
def test_mistakes_are_plugin_errors(plugin: object, says: str) -> None:
    """CFG-07: what an author can get wrong is said, with the plugin's name."""
    with pytest.raises(PluginError, match=says) as caught:
        collect_backends(plugin, name="THE PLUGIN")

    assert "THE PLUGIN" in str(caught.value)


def test_errors_of_the_hook_itself_come_through() -> None:
    """The registry wraps them; here they keep their type."""
    with pytest.raises(LookupError, match="half way"):
        collect_backends(_Raises(), name="x")


def test_objects_from_modules_and_files(tmp_path: Path) -> None:
    """The four ways to write where an object is."""
    file = tmp_path / "mine.py"
    file.write_text("class Outer:\n    value = 7\nfrom dataclasses import dataclass\n")

    assert load_object("collections:OrderedDict.fromkeys")
    assert load_object("json").__name__ == "json"
    assert load_object(f"{file}:Outer.value") == 7
    assert load_object(str(file)).Outer.value == 7


def test_dataclasses_in_files_work(tmp_path: Path) -> None:
    """The module is known to Python while and after it runs."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n\n"
        "@dataclass(slots=True)\nclass Point:\n    x: int\n"
    )

    assert load_object(f"{file}:Point")(3).x == 3


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "must look like module:name"),
        (":app", "must look like module:name"),
        ("no_such_module_here:app", "no module 'no_such_module_here'"),
        ("json.nothing.more:app", "no module 'json.nothing.more'"),
        ("json:lods", r"there is no 'lods' \(did you mean 'loads'\?\)"),
        ("json:loads.zzz", r"there is no 'loads.zzz'"),
        ("no/such/file.py:x", "no Python file 'no/such/file.py'"),
    ],
)
def test_missing_objects(spec: str, says: str) -> None:
    """What is missing is named: the module, the file or the attribute."""
    with pytest.raises(ConfigError, match=says):
        load_object(spec)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("\nraise ValueError('bad')\n", r"ValueError: bad \(.*app_broken\.py:2\)"),
        ("def x(:\n", r"SyntaxError: "),
        ("import missing_thing_xyz\n", r"ModuleNotFoundError: No module named 'missing_thing_xyz'"),
        ("raise SystemExit(3)\n", r"SystemExit: 3"),
    ],
)
def test_failing_imports_tell_where(site: Site, source: str, says: str) -> None:
    """An error while importing becomes one line with the place; the module is not half there."""
    site.module("app_broken", source)

    with pytest.raises(ConfigError, match=says) as caught:
        load_object("app_broken:app")
    with pytest.raises(ConfigError, match=says):
        load_object(f"{site.path}/app_broken.py:app")
    assert caught.value.__cause__ is not None
    assert not [name for name in sys.modules if name.startswith("_anymq_file_broken")]
