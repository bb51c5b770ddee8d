"""Keys by name: what is taken, what is refused, and that none is ever shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anymq.codecs import Keyring
from anymq.errors import ConfigError

KEY = bytes(range(0xDF, 0xFF))
TEXT = base64.b64encode(KEY).decode()


@pytest.mark.parametrize(
    "value",
    [KEY, TEXT, f" {TEXT}\n", SecretStr(TEXT), base64.urlsafe_b64encode(KEY).decode()],
    ids=["bytes", "base64", "space around", "secret", "urlsafe"],
)
def test_a_key_may_be_given_in_these_forms(value: Any) -> None:
    """Bytes, base64 of either alphabet, or a pydantic secret of it."""
    keys = Keyring({"k1": value})

    assert keys.get("k1") == KEY
    assert keys.primary == "k1"
    assert keys.primary_key == KEY


def test_the_first_key_is_the_primary_unless_said() -> None:
    """All keys are there; one of them seals."""
    other = b"o" * 32

    assert Keyring({"new": KEY, "old": other}).primary == "new"
    rotated = Keyring({"old": other, "new": KEY}, primary="new")
    assert (rotated.primary_key, rotated.get("old"), rotated.get("none")) == (KEY, other, None)
    assert list(rotated.items()) == [("old", other), ("new", KEY)]


@pytest.mark.parametrize("content", [KEY, TEXT.encode(), TEXT.encode() + b"\n"])
def test_keys_come_from_files(tmp_path: Path, content: bytes) -> None:
    """A file holds the bytes, or their base64 with or without a line break."""
    path = tmp_path / "k1"
    path.write_bytes(content)

    assert Keyring.from_files({"k1": path}, primary="k1").primary_key == KEY


@pytest.mark.parametrize(
    ("keys", "primary", "words"),
    [
        ({}, None, "at least one key"),
        ({"k1": KEY}, "k2", "'k2' is not in the keyring"),
        ({"k1": KEY[:31]}, None, "'k1' has 31 bytes, but must have 32"),
        ({"k1": "CANARY!"}, None, "'k1' is not base64"),
        ({"k1": "CANARYCANARY"}, None, "'k1' has 9 bytes"),
        ({"k1": "ČANARY"}, None, "'k1' is not base64"),
        ({"": KEY}, None, "not an id of a key"),
        ({"a b": KEY}, None, "not an id of a key"),
        ({"k\n": KEY}, None, "not an id of a key"),
        ({"k" * 65: KEY}, None, "not an id of a key"),
    ],
)
def test_a_wrong_keyring_stops_the_start(keys: Any, primary: Any, words: str) -> None:
    """The error names the key, never its value, and has no context that would."""
    with pytest.raises(ConfigError, match=words) as caught:
        Keyring(keys, primary=primary)

    assert "CANARY" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """The error has the id, the path and the system's reason."""
    with pytest.raises(ConfigError, match=r"cannot read key 'k1' from .*none: No such file"):
        Keyring.from_files({"k1": tmp_path / "none"})


def test_a_binary_file_of_another_size_is_no_key(tmp_path: Path) -> None:
    """Neither 32 bytes nor text."""
    path = tmp_path / "k1"
    path.write_bytes(b"\xff" * 31)

    with pytest.raises(ConfigError, match="'k1' is not base64"):
        Keyring.from_files({"k1": str(path)})


def test_keys_are_not_shown() -> None:
    """The repr names ids alone."""
    assert repr(Keyring({"b": KEY, "a": KEY})) == "Keyring(['a', 'b'], primary='b')"
