"""docs/configuration.md says what is so."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from anymq.config import RetryOverride, Settings, SubscriberOverride, load_settings
from anymq.errors import ConfigError
from anymq.urls import parse_url

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_file_of_the_page(folder: Path) -> None:
    """The example loads and means what it says."""
    (folder / "anymq.toml").write_text(_blocks("toml")[0])

    settings = load_settings()

    assert settings.stream.url == parse_url("kafka://h1:9092,h2:9092")
    assert settings.subscribers["register"].retry.max_attempts == 10


def test_the_variables_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example by environment."""
    for line in _blocks("sh")[0].splitlines():
        monkeypatch.setenv(*line.split("=", 1))

    settings = load_settings()

    assert settings.broker.url == parse_url("amqp://guest:guest@localhost/")
    assert settings.subscribers["register"].concurrency == 32


def test_every_key_is_in_the_table_with_its_default() -> None:
    """The table and the model have the same keys and defaults."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    shown = {key: default for keys, default in rows for key in re.findall(r"`(\w+)`", keys)}

    assert set(shown) == set(Settings.model_fields)
    for key, default in shown.items():
        if default.strip():
            value = Settings.model_fields[key].default
            assert default.strip(" `").strip('"') == str(value).removesuffix(".0").lower()


def test_every_override_is_named() -> None:
    """What can be set for a subscriber."""
    for key in (*SubscriberOverride.model_fields, *RetryOverride.model_fields):
        assert f"`{key}`" in PAGE


def test_the_errors_of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what is really said."""
    first, second = _blocks("text")[0].splitlines()
    (folder / "anymq.toml").write_text('[anymq]\nulr = "x"\n')
    with pytest.raises(ConfigError) as unknown:
        load_settings()
    os.remove(folder / "anymq.toml")
    monkeypatch.setenv("ANYMQ_GRACE_S", "5 sec")
    with pytest.raises(ConfigError) as wrong:
        load_settings()

    assert (str(unknown.value), str(wrong.value)) == (first, second)


def test_the_urls_of_the_page() -> None:
    """Every URL in the text can be parsed."""
    section = PAGE.split("## URLs")[1].split("##")[0]
    urls = [u for u in re.findall(r"`([a-z]+://[^`]+)`", section) if "host:port" not in u]

    assert [parse_url(url).path for url in urls] == ["./anymq.db", "/var/anymq.db", "0"]
