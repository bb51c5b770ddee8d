"""docs/writing-a-plugin.md works as it is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from anymq.config import build_options
from anymq.errors import ConfigError
from anymq.plugins import Registry
from anymq.plugins.hookspecs import ExtensionHooks
from anymq.plugins.loader import load_object
from anymq.urls import parse_url
from tests.unit.plugins.conftest import Site

PAGE = (Path(__file__).parents[3] / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_plugin_of_the_page(tmp_path: Path) -> None:
    """It registers from its file, and its options are checked."""
    file = tmp_path / "mars.py"
    file.write_text(_block("python"))
    registry = Registry(entries=[])
    registry.register(load_object(str(file)), name="mars.py")

    descriptor = registry.descriptor("mars")
    options = build_options(descriptor.options, parse_url("mars://h?prefetch=5&token=s3cret"))

    assert options.secret("token") == "s3cret"
    with pytest.raises(ConfigError, match="from 1 to 10000"):
        build_options(descriptor.options, parse_url("mars://h?prefetch=0"))


def test_the_package_of_the_page(site: Site) -> None:
    """Its entry points lead to it."""
    project = tomllib.loads(_block("toml"))["project"]
    entries = project["entry-points"]["anymq.plugins"]
    site.module("anymq_mars_plugin", _block("python"))
    site.distribution(project["name"], dict.fromkeys(entries, "anymq_mars_plugin"))

    assert entries == {"mars": "anymq_mars.plugin"}
    assert Registry().descriptor("mars").package == project["name"]


def test_every_extension_hook_is_named() -> None:
    """The page lists all hooks."""
    hooks = [name for name in vars(ExtensionHooks) if name.startswith("anymq_")]

    assert hooks
    assert [name for name in hooks if f"`{name}`" not in PAGE] == []
