"""Codecs, seals and the envelope: all that turns values into bodies and back.

Publishing: ``Codec.encode``, then ``Envelope.wrap`` where there is one. Consuming: what
``body_reader`` returns. Encryption and Ed25519 import ``cryptography`` when they are made, pydantic
is imported for annotations that need it: neither is loaded by importing this package.
"""

from __future__ import annotations

from anymq.codecs.codec import Codec, Decoder, media_type
from anymq.codecs.ed25519 import Ed25519Seal
from anymq.codecs.encryption import EncryptedSeal
from anymq.codecs.envelope import Envelope
from anymq.codecs.failures import BadSignature, DecryptError, UntrustedContent
from anymq.codecs.json_format import JsonCodec
from anymq.codecs.keyring import Keyring
from anymq.codecs.msgpack import MsgpackCodec
from anymq.codecs.nesting import MAX_DEPTH
from anymq.codecs.raw import RawCodec
from anymq.codecs.reading import BodyReader, body_reader
from anymq.codecs.registry import CodecFactory, codec_by_name, codec_names, seal_by_name
from anymq.codecs.seal import Seal
from anymq.codecs.signing import HmacSeal
from anymq.codecs.stdlib_json import StdlibJsonCodec

__all__ = [
    "MAX_DEPTH",
    "BadSignature",
    "BodyReader",
    "Codec",
    "CodecFactory",
    "Decoder",
    "DecryptError",
    "Ed25519Seal",
    "EncryptedSeal",
    "Envelope",
    "HmacSeal",
    "JsonCodec",
    "Keyring",
    "MsgpackCodec",
    "RawCodec",
    "Seal",
    "StdlibJsonCodec",
    "UntrustedContent",
    "body_reader",
    "codec_by_name",
    "codec_names",
    "media_type",
    "seal_by_name",
]
