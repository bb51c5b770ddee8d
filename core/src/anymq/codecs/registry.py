"""Codecs and seals by the names that configuration uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from anymq.codecs.codec import Codec
from anymq.codecs.json_format import JsonCodec
from anymq.codecs.keyring import Keyring
from anymq.codecs.msgpack import MsgpackCodec
from anymq.codecs.raw import RawCodec
from anymq.codecs.seal import Seal
from anymq.codecs.stdlib_json import StdlibJsonCodec
from anymq.errors import ConfigError, PluginError

__all__ = ["CodecFactory", "codec_by_name", "codec_names", "seal_by_name"]

CodecFactory = Callable[[], Codec]

_OURS: Mapping[str, CodecFactory] = {
    codec.name: codec for codec in (JsonCodec, StdlibJsonCodec, RawCodec, MsgpackCodec)
}


def codec_names(*, extras: Mapping[str, CodecFactory] | None = None) -> list[str]:
    """All names that ``codec_by_name`` knows, sorted."""
    return sorted({*_OURS, *(extras or ())})


def codec_by_name(name: str, *, extras: Mapping[str, CodecFactory] | None = None) -> Codec:
    """Make the codec of this name. ``extras`` are those of plugins: name to factory.

    Raises:
        ConfigError: there is none of this name; the text lists those there are.
        PluginError: a plugin takes a name of ours, or its factory makes no codec.
    """
    further = extras or {}
    for taken in _OURS.keys() & further.keys():
        raise PluginError(f"a plugin defines the codec {taken!r}, which is one of AnyMQ's own")
    factory = _OURS.get(name) or further.get(name)
    if factory is None:
        raise ConfigError(_unknown("codec", name, codec_names(extras=extras)))
    codec = factory()
    if not isinstance(codec, Codec):
        raise PluginError(f"the codec {name!r} is a {type(codec).__name__}, not a Codec")
    return codec


def seal_by_name(name: str, keys: Keyring, *, public_keys: Keyring | None = None) -> Seal:
    """Make the seal of this name: ``encrypted``, ``signed`` or ``signed-ed25519``.

    ``public_keys`` are for ``signed-ed25519`` alone: further signers whose messages are accepted.

    Raises:
        ConfigError: there is none of this name, or the keys do not fit it.
    """
    if public_keys is not None and name != "signed-ed25519":
        raise ConfigError(f"the seal {name!r} has no public keys; 'signed-ed25519' has")
    if name == "encrypted":
        from anymq.codecs.encryption import EncryptedSeal

        return EncryptedSeal(keys)
    if name == "signed":
        from anymq.codecs.signing import HmacSeal

        return HmacSeal(keys)
    if name == "signed-ed25519":
        from anymq.codecs.ed25519 import Ed25519Seal

        return Ed25519Seal(private=keys, public=public_keys)
    raise ConfigError(_unknown("seal", name, ["encrypted", "signed", "signed-ed25519"]))


def _unknown(kind: str, name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no {kind} is called {name!r}: {hint}there are {', '.join(known)}"
