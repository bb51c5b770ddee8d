"""Finding the plugin: by its entry point, cheaply, and undisturbed by its neighbours."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from anymq.errors import PluginError
from anymq.plugins.entries import EXTENSION_GROUP
from anymq.plugins.loader import collect_backends
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.decoys import Subject, decoy, modules, subject_of
from anymq.testing.harness import Harness
from anymq.testing.log_capture import captured_log
from anymq.testing.subprocesses import run_python

__all__: list[str] = []

NAME = re.compile(r"[a-z][a-z0-9+.-]*")

IMPORTS = """
import importlib, json, pkgutil, sys
import anymq, anymq.abc, anymq.support, anymq.plugins.loader, anymq.plugins.registry
for module in pkgutil.iter_modules(anymq.support.__path__):
    importlib.import_module("anymq.support." + module.name)
if sys.argv[2] == "by hand":
    import anymq.testing, pytest
connected = []
def watch(event, args):
    if event == "socket.connect":
        connected.append(repr(args[1]))
sys.addaudithook(watch)
before = set(sys.modules)
plugin = anymq.plugins.loader.load_object(sys.argv[1]) if ":" in sys.argv[1] else (
    importlib.import_module(sys.argv[1]))
if not isinstance(plugin, type) and hasattr(plugin, "anymq_backends"):
    anymq.plugins.loader.collect_backends(plugin, name=sys.argv[1])
own = getattr(plugin, "__module__", None) or plugin.__name__
fresh = {name.partition(".")[0] for name in set(sys.modules) - before}
fresh -= {own.partition(".")[0], "anymq", *sys.stdlib_module_names}
foreign = sorted(name for name in fresh if not name.startswith("_"))
print(json.dumps({"foreign": foreign, "connected": connected}))
"""

STARTS = """
import asyncio, json, os, sys
from anymq import App
async def main():
    async with App(os.environ["KIT_BACKEND_URL"]) as app:
        await app.health()
asyncio.run(main())
print(json.dumps(sorted(sys.modules)))
"""

HARMLESS = "loaded = True\n"


@check("CFG-01", "plugin_is_discovered")
async def discovered(bench: Bench) -> None:
    """The entry point resolves; the name is unique, lower case and the declared one."""
    plugin = await subject_of(bench)
    descriptor = plugin.descriptor
    same = [str(entry) for entry in plugin.entries if entry.name == plugin.scheme]
    expect(len(same) == 1, f"the scheme {plugin.scheme!r} is brought {len(same)} times: {same}")
    for text in (descriptor.name, *descriptor.schemes):
        expect(NAME.fullmatch(text), f"{text!r} is no lower-case name")
    names = {entry.name for entry in plugin.entries if entry.key == plugin.entry.key}
    missing = {descriptor.name, *descriptor.schemes} - names
    expect(not missing, f"declared, but without an entry of that name: {sorted(missing)}")
    if plugin.is_installed:
        found = collect_backends(plugin.entry.load(), name=str(plugin.entry))
        expect(
            descriptor.name in [other.name for other in found],
            f"entry point {plugin.entry} does not yield {descriptor.name!r}",
        )
        if descriptor.package:
            told = re.sub(r"[-_.]+", "-", descriptor.package).lower()
            real = re.sub(r"[-_.]+", "-", plugin.entry.distribution).lower()
            expect(told == real, f"says it is of {told!r}, and is brought by {real!r}")
    known = bench.harness.backend
    expect(known in ("", descriptor.name), f"the harness is {known!r}'s, not {descriptor.name!r}'s")
    _check_harness(descriptor.harness)


def _check_harness(spec: str | None) -> None:
    if spec is None:
        return
    module, _, attribute = spec.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CheckFailed(f"the descriptor's harness {spec!r} does not exist: {error}") from None
    expect(issubclass(found, Harness), f"the descriptor's harness {spec!r} is no Harness")


@check("CFG-02", "import_is_cheap")
async def cheap(bench: Bench) -> None:
    """Importing the plugin and asking for its descriptors loads no client and connects nowhere."""
    plugin = await subject_of(bench)
    target = plugin.entry.target
    if not plugin.is_installed and ":" not in target:
        target = plugin.descriptor.options.__module__
    kind = "installed" if plugin.is_installed else "by hand"
    seen = await run_python(IMPORTS, target, kind)
    expect(not seen["foreign"], f"importing {target} loads {', '.join(seen['foreign'])}")
    expect(not seen["connected"], f"importing {target} connects to {seen['connected']}")


@check("CFG-03", "only_selected_backend_loaded")
async def only_selected(bench: Bench) -> None:
    """An application on this backend imports no other backend's plugin."""
    plugin = await subject_of(bench)
    name = f"kit_unused_{bench.run_id}"
    with modules({name: HARMLESS}) as folder:
        await _starts(bench, plugin.registry(decoy("kit-unused", name)), "u")
        expect(name not in sys.modules, "a start imported a plugin that nobody had selected")
        if plugin.is_installed:
            _install(folder, name)
            url = (await bench.harness.options())["url"]
            loaded = await run_python(STARTS, environ={"KIT_BACKEND_URL": url})
            others = {
                entry.target.partition(":")[0]
                for entry in plugin.entries
                if entry.key != plugin.entry.key and entry.distribution
            }
            extra = sorted(({name} | others) & set(loaded))
            expect(not extra, f"an application on {plugin.scheme}:// imported {', '.join(extra)}")


def _install(folder: Path, module: str) -> None:
    """Make the module's folder look like an installed distribution with an entry point."""
    info = folder / "kit_unused-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit-unused\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[anymq.plugins]\nkit-unused = {module}\n")


@check("CFG-04", "broken_plugin_is_isolated")
async def broken_isolated(bench: Bench) -> None:
    """Other plugins that cannot be imported change nothing here, and are told of by name."""
    plugin = await subject_of(bench)
    names = {how: f"kit_{how}_{bench.run_id}" for how in ("raises", "exits")}
    sources = {
        names["raises"]: "raise RuntimeError('broken on purpose')\n",
        names["exits"]: "raise SystemExit('broken on purpose')\n",
    }
    entries = [decoy(f"kit-{how}", module) for how, module in names.items()]
    entries.append(decoy("kit-absent", f"kit_absent_{bench.run_id}"))
    extension = decoy("kit-extension", names["raises"], group=EXTENSION_GROUP)
    with modules(sources):
        fresh = plugin.registry(*entries, extension)
        states = {status.entry.name: status for status in fresh.inspect()}
        expect(states[plugin.scheme].status == "ok", f"it became {states[plugin.scheme].problem}")
        for entry in entries:
            state = states[entry.name]
            expect(state.status == "broken", f"{entry.name} shows as {state.status}")
            expect(entry.distribution in state.problem, f"not named: {state.problem}")
            _refused(fresh, entry.name, entry.distribution)
        with captured_log() as records:
            fresh.extensions()
        warned = [r for r in records if "kit-extension" in r.getMessage()]
        expect(warned, "a broken extension was left out without a warning that names it")
        await _starts(bench, fresh, "b")


def _refused(fresh: Any, scheme: str, *named: str) -> None:
    try:
        fresh.descriptor(scheme)
    except PluginError as error:
        missing = [text for text in named if text not in str(error)]
        expect(not missing, f"the error about {scheme!r} does not name {missing}: {error}")
        return
    raise CheckFailed(f"the scheme {scheme!r} resolved, though it must not")


async def _starts(bench: Bench, registry: Any, value: str) -> None:
    """An application with that registry delivers a message."""
    app = await bench.app()
    app._parts.registry = registry
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, value)
    await bench.received(collector, 1)


@check("CFG-05", "duplicate_name_is_error")
async def duplicate(bench: Bench) -> None:
    """Two providers of one name: an error that names both, whichever came first."""
    plugin = await subject_of(bench)
    other = decoy(plugin.scheme, f"kit_double_{bench.run_id}", dist="kit-double")
    if plugin.is_installed:
        _refused(plugin.registry(other), plugin.scheme, "kit-double", plugin.entry.distribution)
    fresh = plugin.registry()
    try:
        fresh.register(plugin.descriptor, name="kit-by-hand")
    except PluginError as error:
        for text in ("kit-by-hand", plugin.entry.distribution or plugin.entry.target):
            expect(text in str(error), f"the error does not name {text!r}: {error}")
    else:
        raise CheckFailed(f"a second provider of {plugin.scheme!r} was taken without an error")
    await _starts(bench, fresh, "d")


@check("CFG-07", "hooks_are_known")
async def hooks_known(bench: Bench) -> None:
    """Every hook the plugin implements exists, with arguments that the hook has."""
    plugin: Subject = await subject_of(bench)
    if plugin.is_installed:
        collect_backends(plugin.entry.load(), name=str(plugin.entry))
    for source, wrong in (
        ("def anymq_backend():\n    return []\n", "a hook that does not exist"),
        ("def anymq_backends(settings):\n    return []\n", "an argument the hook does not have"),
    ):
        name = f"kit_hooks_{bench.run_id}"
        with modules({name: f"from anymq.plugins import hookimpl\n\n@hookimpl\n{source}"}):
            fresh = plugin.registry(decoy("kit-hooks", name))
            try:
                fresh.descriptor("kit-hooks")
            except PluginError as error:
                expect("kit-hooks" in str(error), f"the error does not name the plugin: {error}")
            else:
                raise CheckFailed(f"a plugin with {wrong} was taken without an error")
            fresh.descriptor(plugin.scheme)
