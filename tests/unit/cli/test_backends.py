"""``anymq backends``: the installed backends, broken ones included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anymq.capabilities import CAPABILITY_NAMES
from tests.unit.cli.conftest import Run
from tests.unit.plugins.conftest import PLUGIN, Site


def test_as_json(run: Run, site: Site) -> None:
    """Name, schemes, package, version, status, capabilities; one entry per backend."""
    site.backend("mars", schemes=("mars", "marss"))
    site.module("fake_broken", "raise RuntimeError('no engine')")
    site.distribution("anymq-pluto", {"pluto": "fake_broken"})

    result = run("backends", "--json")

    assert result.code == 0
    listed = {item["name"]: item for item in json.loads(result.out)["backends"]}
    assert listed["mars"]["schemes"] == ["mars", "marss"]
    assert (listed["mars"]["package"], listed["mars"]["version"]) == ("anymq-mars", "1.2")
    assert listed["mars"]["capabilities"] == dict.fromkeys(CAPABILITY_NAMES, "U")
    assert (listed["memory"]["status"], listed["pluto"]["status"]) == ("ok", "broken")
    assert "RuntimeError: no engine" in listed["pluto"]["problem"]
    assert {"broker", "stream"} <= set(listed["memory"]["roles"])


def test_as_tables(run: Run, site: Site) -> None:
    """For people: what is there, what is wrong, and who can do what."""
    site.module("fake_broken", "raise RuntimeError('no engine')")
    site.distribution("anymq-pluto", {"pluto": "fake_broken"})

    result = run("backends")

    assert result.code == 0
    assert ["pluto", "pluto", "anymq-pluto", "1.2"] in _rows(result.out, 4)
    assert "pluto: plugin 'pluto' of anymq-pluto 1.2 cannot be loaded: RuntimeError" in result.out
    assert ["consumer_groups", "N"] in _rows(result.out, 2)
    assert "N native  E emulated  U unsupported" in result.out
    assert "\x1b" not in result.out


def test_none_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every plugin left out there is still an answer."""
    monkeypatch.setenv("ANYMQ_PLUGINS", "")

    result = run("backends")

    assert result.code == 0
    assert ["memory", "memory", "anymq"] in _rows(result.out, 3)
    assert "excluded" in result.out
    assert "Capability" not in result.out


def test_nothing_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry without entries says what to install."""
    monkeypatch.setattr("anymq.plugins.registry.read_entries", lambda group: ())

    assert "pip install anymq-sqlite" in run("backends").out


def test_plugin_from_a_file(run: Run, folder: Path) -> None:
    """--plugin FILE.py shows a backend that is not installed."""
    import textwrap

    (folder / "mine.py").write_text(
        textwrap.dedent(PLUGIN.format(name="venus", schemes=("venus",)))
    )

    result = run("--plugin", "mine.py", "backends", "--json")

    listed = {item["name"]: item for item in json.loads(result.out)["backends"]}
    assert (listed["venus"]["package"], listed["venus"]["status"]) == ("mine.py", "ok")


def _rows(text: str, columns: int) -> list[list[str]]:
    """The first words of each line: how wide a column is, whatever else is installed decides."""
    return [line.split()[:columns] for line in text.splitlines()]
