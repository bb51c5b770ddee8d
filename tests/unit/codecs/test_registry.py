"""Codecs and seals by name."""

from __future__ import annotations

from typing import Any

import pytest

from anymq.codecs import (
    Codec,
    Ed25519Seal,
    EncryptedSeal,
    HmacSeal,
    JsonCodec,
    Keyring,
    RawCodec,
    codec_by_name,
    codec_names,
    seal_by_name,
)
from anymq.errors import ConfigError, PluginError

KEYS = Keyring({"k1": b"k" * 32})


class Upper(RawCodec):
    name = "upper"

    def encode(self, value: Any) -> bytes:
        return super().encode(value).upper()


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("json", "application/json"),
        ("json-stdlib", "application/json"),
        ("raw", "application/octet-stream"),
        ("msgpack", "application/msgpack"),
    ],
)
def test_our_codecs(name: str, content_type: str) -> None:
    """Each is there under the name it gives itself."""
    codec = codec_by_name(name)

    assert (codec.name, codec.content_type) == (name, content_type)
    assert codec.accepts(content_type)


def test_codecs_of_plugins() -> None:
    """What a plugin's hook yields is found beside ours."""
    codec = codec_by_name("upper", extras={"upper": Upper})

    assert codec.encode(b"abc") == b"ABC"
    assert codec_names(extras={"upper": Upper}) == [
        "json",
        "json-stdlib",
        "msgpack",
        "raw",
        "upper",
    ]


def test_unknown_names_are_met_with_a_suggestion() -> None:
    """The error lists what there is, and the nearest of them."""
    with pytest.raises(ConfigError, match=r"'jason': did you mean 'json'\? .*msgpack, raw"):
        codec_by_name("jason")
    with pytest.raises(ConfigError, match="no codec is called 'zzz': there are"):
        codec_by_name("zzz")


def test_plugins_cannot_replace_ours_or_yield_something_else() -> None:
    """A codec with a name of ours, or that is none, is the plugin's mistake."""

    def no_codec() -> Codec:
        return "json"  # type: ignore[return-value] - the mistake under test

    with pytest.raises(PluginError, match="'json', which is one of AnyMQ's own"):
        codec_by_name("raw", extras={"json": JsonCodec})
    with pytest.raises(PluginError, match="'x' is a str, not a Codec"):
        codec_by_name("x", extras={"x": no_codec})


@pytest.mark.parametrize(
    ("name", "kind"),
    [("encrypted", EncryptedSeal), ("signed", HmacSeal), ("signed-ed25519", Ed25519Seal)],
)
def test_our_seals(name: str, kind: type) -> None:
    """Each is there under the name it gives itself."""
    seal = seal_by_name(name, KEYS)

    assert type(seal) is kind
    assert seal.name == name


def test_seals_take_the_keys_they_know() -> None:
    """Public keys are for Ed25519 alone; an unknown seal is named with the others."""
    seal = seal_by_name("signed-ed25519", KEYS, public_keys=Keyring({"k2": b"p" * 32}))

    assert isinstance(seal, Ed25519Seal)
    with pytest.raises(ConfigError, match="'signed' has no public keys"):
        seal_by_name("signed", KEYS, public_keys=KEYS)
    with pytest.raises(ConfigError, match="did you mean 'signed'"):
        seal_by_name("singed", KEYS)
