"""Backends are found by scheme, loaded one at a time, and a broken one harms nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anymq.capabilities import Capabilities
from anymq.errors import ConfigError, PluginError
from anymq.options import BackendOptions
from anymq.plugins import BackendDescriptor, Registry, hookimpl
from anymq.plugins.entries import PluginEntry
from anymq.plugins.selection import Selection
from tests.unit.plugins.conftest import PLUGIN, Site


def _descriptor(name: str, **changes: object) -> BackendDescriptor:
    values = {
        "name": name,
        "schemes": (name,),
        "options": BackendOptions,
        "capabilities": Capabilities({}, frozenset()),
    }
    return BackendDescriptor(**{**values, **changes})  # type: ignore[arg-type]


def test_plugin_is_found_by_scheme_and_only_it_is_imported(site: Site) -> None:
    """CFG-01, CFG-03: names come from metadata; only the plugin that is asked for is imported."""
    wanted, other = site.backend("mars"), site.backend("venus")
    registry = Registry()

    assert {"mars", "memory", "venus"} <= set(registry.schemes())
    assert not {wanted, other} & set(sys.modules)
    assert registry.descriptor("mars").name == "mars"
    assert wanted in sys.modules
    assert other not in sys.modules


def test_descriptor_is_kept(site: Site) -> None:
    """Asking twice loads once, and schemes of one module share their descriptor."""
    site.backend("mars", schemes=("mars", "marss"))
    registry = Registry()

    assert registry.descriptor("mars") is registry.descriptor("mars")
    assert registry.descriptor("marss") is registry.descriptor("mars")


def test_first_party_memory_backend_is_a_plugin_like_any_other() -> None:
    """The memory backend comes by its entry point."""
    assert Registry().descriptor("memory").package == "anymq"


def test_unknown_scheme_lists_choices_and_package(site: Site) -> None:
    """CFG-06: the error lists what is installed and what to install."""
    site.backend("mars")
    registry = Registry()

    with pytest.raises(ConfigError, match=r"'amqps' .*memory.*pip install 'anymq-rabbitmq'"):
        Registry(entries=[PluginEntry("memory", "anymq.memory.plugin", "anymq", "1")]).descriptor(
            "amqps"
        )
    with pytest.raises(ConfigError, match=r"installed: .*mars.*did you mean 'mars'\?$"):
        registry.descriptor("marz")
    with pytest.raises(ConfigError, match=r"'memroy'.*did you mean 'memory'"):
        registry.descriptor("memroy")
    with pytest.raises(ConfigError, match=r"install the plugin that brings it"):
        registry.descriptor("qqqqqq")


def test_unknown_scheme_suggests_a_package_for_what_was_meant() -> None:
    """A typo in the scheme of a plugin that is not installed still leads to its package."""
    with pytest.raises(
        ConfigError, match=r"installed: none.*did you mean 'kafka'\? \(pip install 'anymq-kafka'\)"
    ):
        Registry(entries=[]).descriptor("kafak")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('no engine')", "RuntimeError: no engine"),
        ("import a_module_that_is_missing", "ModuleNotFoundError: No module named"),
        ("def broken(:", "SyntaxError: "),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_broken_plugin_is_isolated(site: Site, source: str, says: str) -> None:
    """CFG-04: others work on; its own scheme raises with the cause; inspect has the trace."""
    site.backend("mars")
    site.module("fake_broken", source)
    site.distribution("anymq-pluto", {"pluto": "fake_broken"})
    registry = Registry()

    assert registry.descriptor("mars").name == "mars"
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            registry.descriptor("pluto")
        assert says in str(caught.value)
        assert "'pluto' of anymq-pluto 1.2" in str(caught.value)
        assert "pip uninstall anymq-pluto" in str(caught.value)
        assert type(caught.value.__cause__).__name__ in says
    status = {item.entry.name: item for item in registry.inspect()}
    assert status["mars"].status == "ok"
    assert status["pluto"].status == "broken"
    assert says in status["pluto"].trace
    assert "importlib" not in status["pluto"].trace


def test_two_distributions_with_one_name(site: Site) -> None:
    """CFG-05: the error names both, and other schemes are not concerned."""
    site.backend("mars")
    site.backend("venus")
    site.distribution("rival-mars", {"mars": "fake_mars_plugin"})
    registry = Registry()

    with pytest.raises(PluginError, match=r"twice.*anymq-mars 1\.2.*rival-mars 1\.2"):
        registry.descriptor("mars")
    assert registry.descriptor("venus").name == "venus"
    broken = [item for item in registry.inspect() if item.status == "broken"]
    assert [item.entry.distribution for item in broken] == ["anymq-mars", "rival-mars"]


def test_one_of_two_can_be_chosen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANYMQ_PLUGINS may name the distribution that is meant."""
    site.backend("mars")
    site.distribution("rival-mars", {"mars": "fake_mars_plugin"})
    monkeypatch.setenv("ANYMQ_PLUGINS", "rival-mars")

    assert Registry().descriptor("mars").name == "mars"


def test_two_plugins_that_yield_one_backend(site: Site) -> None:
    """A descriptor's name is unique even where the entry points differ."""
    site.backend("mars")
    site.module("fake_thief", PLUGIN.format(name="mars", schemes=("thief",)))
    site.distribution("anymq-thief", {"thief": "fake_thief", "mars-too": "fake_thief"})
    site.module("fake_twin", PLUGIN.format(name="mars", schemes=("twin",)))
    site.distribution("anymq-twin", {"twin": "fake_twin", "mars": "fake_twin"})
    registry = Registry(selection=Selection.parse("anymq-mars,twin,thief"))

    assert registry.descriptor("mars").name == "mars"
    with pytest.raises(
        PluginError, match=r"'mars' is claimed twice: by 'mars' of anymq-mars.*twin"
    ):
        registry.descriptor("twin")
    with pytest.raises(PluginError, match=r"'mars' without an entry point of that name"):
        registry.descriptor("thief")


def test_entry_whose_scheme_is_not_yielded(site: Site) -> None:
    """An entry point must lead to a backend with that scheme."""
    site.module("fake_pluto", PLUGIN.format(name="pluto", schemes=("pluto",)))
    site.distribution("anymq-pluto", {"pluto": "fake_pluto", "charon": "fake_pluto"})

    with pytest.raises(PluginError, match=r"'charon' of anymq-pluto 1\.2 yields no backend with"):
        Registry().descriptor("charon")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("mars", {"mars"}), ("anymq-venus", {"venus"}), (" mars , venus ,", {"mars", "venus"})],
)
def test_variable_filters(
    site: Site, monkeypatch: pytest.MonkeyPatch, text: str, allowed: set[str]
) -> None:
    """ANYMQ_PLUGINS allows by entry or distribution; the rest is not imported."""
    site.backend("mars")
    site.backend("venus")
    monkeypatch.setenv("ANYMQ_PLUGINS", text)
    registry = Registry()

    assert set(registry.schemes()) == allowed
    with pytest.raises(ConfigError, match=r"'memory' of anymq .*left out by ANYMQ_PLUGINS="):
        registry.descriptor("memory")
    assert {s.entry.name for s in registry.inspect() if s.status == "ok"} == allowed


def test_empty_variable_allows_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list means no plugin at all, first party or not."""
    site.backend("mars")
    monkeypatch.setenv("ANYMQ_PLUGINS", "")
    registry = Registry()

    assert registry.schemes() == ()
    assert {item.status for item in registry.inspect()} == {"excluded"}


def test_unknown_name_in_the_variable_is_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that nobody installed is never silently ignored."""
    site.backend("mars")
    monkeypatch.setenv("ANYMQ_PLUGINS", "mars,memroy")

    with pytest.raises(ConfigError, match=r"'memroy', which is not installed.*'memory'"):
        Registry().descriptor("mars")


def test_registered_objects_are_usable_at_once() -> None:
    """Modules, instances, classes and bare descriptors can be registered."""

    class Plugin:
        @hookimpl
        def anymq_backends(self) -> list[BackendDescriptor]:
            return [_descriptor("pluto")]

    registry = Registry(entries=[])
    registry.register(Plugin, name="test")
    registry.register(_descriptor("mars", schemes=("mars", "marss")), name="other.py")

    assert registry.schemes() == ("mars", "marss", "pluto")
    assert registry.descriptor("marss").name == "mars"
    assert [(s.entry.name, s.status) for s in registry.inspect()] == [
        ("mars", "ok"),
        ("marss", "ok"),
        ("pluto", "ok"),
    ]
    assert str(registry.inspect()[0].entry) == "'mars' (registered from other.py)"


def test_registered_objects_do_not_replace_others(site: Site) -> None:
    """A name that is installed or registered already is refused, naming both."""
    site.backend("mars")
    registry = Registry()
    registry.register(_descriptor("pluto"), name="first")

    with pytest.raises(PluginError, match=r"anymq-mars 1\.2.*registered from second"):
        registry.register(_descriptor("mars"), name="second")
    with pytest.raises(PluginError, match=r"registered from first.*registered from second"):
        registry.register(_descriptor("pluto"), name="second")
    with pytest.raises(PluginError, match=r"'pluto' is claimed twice"):
        registry.register(_descriptor("pluto", schemes=("other",)), name="second")


def test_importing_the_registry_imports_no_plugin() -> None:
    """CFG-02: the registry alone loads neither a backend nor pydantic-settings."""
    code = (
        "import sys, anymq.plugins; anymq.plugins.Registry().schemes();"
        "print([m for m in sys.modules if m.startswith(('anymq.memory', 'pydantic_settings'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.strip() == "[]"
