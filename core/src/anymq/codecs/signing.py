"""Signatures over the message: a body that nobody but a holder of the key can have made."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from anymq.codecs.failures import BadSignature
from anymq.codecs.keyring import Keyring, is_key_id
from anymq.codecs.seal import KEY_ID_HEADER, Seal, authenticated_data

__all__ = ["SIGNATURE_HEADER", "SIGNED_AT_HEADER", "HmacSeal", "SignatureSeal"]

SIGNATURE_HEADER = "anymq-signature"
"""The algorithm's name, a colon, and the signature in base64."""

SIGNED_AT_HEADER = "anymq-signed-at"
"""When it was signed: whole seconds since the epoch, signed as the text that it is."""

_PURPOSE = b"anymq-signature-v1"


class SignatureSeal(Seal):
    """What every algorithm shares: what is signed, and where the signature stands.

    Covered are topic, message id, content type, key id, time of signing and body. The message's
    key and its other headers are not: on their way, traces and retries rewrite some of them.
    A message that is sent twice is genuine twice; the inbox tells by its id.
    """

    algorithm: ClassVar[str]

    def __init__(self, *, wall_time: Callable[[], float] = time.time) -> None:
        self._wall_time = wall_time

    @abstractmethod
    def _signer(self) -> tuple[str, Callable[[bytes], bytes]]:
        """The id of the key that signs, and how. Raises ``ConfigError`` where there is none."""

    @abstractmethod
    def _is_genuine(self, key_id: str, signature: bytes, data: bytes) -> bool | None:
        """Verify in constant time; None if there is no such key."""

    def seal(
        self, body: bytes, *, topic: str, message_id: str, content_type: str
    ) -> tuple[bytes, Mapping[str, str]]:
        key_id, sign = self._signer()
        signed_at = str(int(self._wall_time()))
        data = _signed_data(body, topic, message_id, content_type, key_id, signed_at)
        signature = base64.b64encode(sign(data)).decode()
        return body, {
            KEY_ID_HEADER: key_id,
            SIGNED_AT_HEADER: signed_at,
            SIGNATURE_HEADER: f"{self.algorithm}:{signature}",
        }

    def open(
        self,
        body: bytes,
        *,
        topic: str,
        message_id: str,
        content_type: str,
        meta: Mapping[str, str],
    ) -> bytes:
        key_id = meta.get(KEY_ID_HEADER, "")
        algorithm, _, encoded = meta.get(SIGNATURE_HEADER, "").partition(":")
        if not encoded or not is_key_id(key_id):
            raise BadSignature("the message is not signed, and this subscriber demands it")
        if algorithm != self.algorithm:
            raise BadSignature(f"the message is not signed by {self.algorithm}, as demanded here")
        signed_at = meta.get(SIGNED_AT_HEADER, "")
        data = _signed_data(body, topic, message_id, content_type, key_id, signed_at)
        is_genuine = self._is_genuine(key_id, _decoded(encoded), data)
        if is_genuine is None:
            raise BadSignature(f"the message is signed with key {key_id!r}, which we do not have")
        if not is_genuine:
            raise BadSignature(f"the signature is not that of this message under key {key_id!r}")
        return body


class HmacSeal(SignatureSeal):
    """HMAC-SHA256: whoever can verify can also sign."""

    name: ClassVar[str] = "signed"
    algorithm: ClassVar[str] = "hmac-sha256"

    def __init__(self, keys: Keyring, *, wall_time: Callable[[], float] = time.time) -> None:
        super().__init__(wall_time=wall_time)
        self._keys = keys

    def _signer(self) -> tuple[str, Callable[[bytes], bytes]]:
        return self._keys.primary, self._sign

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._keys.primary_key, data, "sha256")

    def _is_genuine(self, key_id: str, signature: bytes, data: bytes) -> bool | None:
        key = self._keys.get(key_id)
        if key is None:
            return None
        return hmac.compare_digest(hmac.digest(key, data, "sha256"), signature)


def _signed_data(
    body: bytes, topic: str, message_id: str, content_type: str, key_id: str, signed_at: str
) -> bytes:
    texts = (topic, message_id, content_type, key_id, signed_at)
    return authenticated_data(_PURPOSE, *[_utf8(text) for text in texts], body)


def _utf8(text: str) -> bytes:
    # A header that a foreign client filled with anything may hold what UTF-8 does not.
    return text.encode("utf-8", "surrogatepass")


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
