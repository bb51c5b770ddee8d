"""Extensions add to the host; one that fails is told of and left out."""

from __future__ import annotations

import logging

import pytest

from anymq.errors import PluginError
from anymq.plugins import Registry
from tests.unit.plugins.conftest import Site

GROUP = "anymq.extensions"
CODECS = """
    from anymq.plugins import hookimpl

    @hookimpl
    def anymq_codecs():
        return {{{name!r}: dict}}
"""


def test_hooks_are_called_by_name(site: Site) -> None:
    """Results come with the entry that gave them, in the order of the names."""
    for name in ("beta", "alpha"):
        site.module(f"ext_{name}", CODECS.format(name=name))
        site.distribution(f"dist-{name}", {name: f"ext_{name}"}, group=GROUP)
    extensions = Registry().extensions()

    results = extensions.call("anymq_codecs")

    assert [(entry.name, list(codecs)) for entry, codecs in results] == [
        ("alpha", ["alpha"]),
        ("beta", ["beta"]),
    ]
    assert extensions.call("anymq_commands") == []
    assert extensions.broken == []


def test_broken_extensions_are_left_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A failing import, a misspelt hook and a doubled name do not stop the good one."""
    site.module("ext_good", CODECS.format(name="good"))
    site.distribution("dist-good", {"good": "ext_good"}, group=GROUP)
    site.distribution("dist-zgood", {"good": "ext_good"}, group=GROUP)
    site.module("ext_bad", "raise RuntimeError('no')")
    site.distribution("dist-bad", {"bad": "ext_bad"}, group=GROUP)
    site.module("ext_typo", CODECS.format(name="x").replace("anymq_codecs", "anymq_codec"))
    site.distribution("dist-typo", {"typo": "ext_typo"}, group=GROUP)

    with caplog.at_level(logging.WARNING):
        extensions = Registry().extensions()

    assert list(extensions.loaded) == ["good"]
    problems = {broken.entry.distribution: broken for broken in extensions.broken}
    assert "RuntimeError: no" in problems["dist-bad"].problem
    assert "ext_bad" in problems["dist-bad"].trace
    assert "unknown hook 'anymq_codec'" in problems["dist-typo"].problem
    assert "brought twice" in problems["dist-zgood"].problem
    assert "'bad' of dist-bad 1.2" in caplog.text
    assert [codecs for _, codecs in extensions.call("anymq_codecs")] == [{"good": dict}]


def test_failing_hook_is_left_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The other extensions' results are still there."""
    site.module("ext_good", CODECS.format(name="good"))
    site.distribution("dist-good", {"good": "ext_good"}, group=GROUP)
    site.module("ext_raises", CODECS.format(name="x").replace("return", "raise RuntimeError or"))
    site.distribution("dist-raises", {"raises": "ext_raises"}, group=GROUP)
    extensions = Registry().extensions()

    assert [entry.name for entry, _ in extensions.call("anymq_codecs")] == ["good"]
    assert "'raises' of dist-raises 1.2 is left out: RuntimeError" in caplog.text


def test_variable_filters_extensions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANYMQ_PLUGINS covers both groups, and extensions are loaded once."""
    site.module("ext_good", CODECS.format(name="good"))
    site.distribution("dist-good", {"good": "ext_good"}, group=GROUP)
    monkeypatch.setenv("ANYMQ_PLUGINS", "memory")
    assert Registry().extensions().loaded == {}

    monkeypatch.setenv("ANYMQ_PLUGINS", "memory,dist-good")
    registry = Registry()

    assert list(registry.extensions().loaded) == ["good"]
    assert registry.extensions() is registry.extensions()
    assert registry.descriptor("memory").name == "memory"


def test_backend_plugins_may_have_extension_hooks_too(site: Site) -> None:
    """One module can stand in both groups."""
    module = site.backend("mars")
    site.distribution("mars-extras", {"mars-extras": module}, group=GROUP)
    registry = Registry()

    assert registry.descriptor("mars").name == "mars"
    assert registry.extensions().broken == []
    assert PluginError.code == "plugin"
