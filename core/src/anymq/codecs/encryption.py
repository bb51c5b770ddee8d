"""Encrypted bodies: AES-256-GCM under a data key that the message carries, wrapped."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from anymq.codecs.failures import DecryptError
from anymq.codecs.keyring import KEY_SIZE_BYTES, Keyring, is_key_id
from anymq.codecs.seal import ENCRYPTION_HEADER, KEY_ID_HEADER, Seal, authenticated_data

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["ENCRYPTED_KEY_HEADER", "EncryptedSeal"]

ENCRYPTED_KEY_HEADER = "anymq-encrypted-key"
"""The data key, wrapped (RFC 3394) under the key that ``anymq-key-id`` names; base64."""

_ALGORITHM = "A256GCM"
_PURPOSE = b"anymq-encryption-v1"
_NONCE_SIZE_BYTES = 12
_TAG_SIZE_BYTES = 16

_MESSAGES_PER_DATA_KEY = 2**20
"""Random 96-bit nonces under one key may not repeat: after 2^20 of them the chance is 2^-57.
A key from configuration used directly would reach the 2^32 that NIST allows in days."""

_OPENED_DATA_KEYS = 1024
"""Data keys of other processes kept ready; each publisher in use needs one."""


@dataclass(slots=True)
class _DataKey:
    cipher: AESGCM
    wrapped: str
    messages_left: int


class EncryptedSeal(Seal):
    """AES-256-GCM. The body becomes nonce (12 bytes), ciphertext, tag (16 bytes).

    Bound to topic, message id, content type and key id: an envelope moved to another message does
    not open. Keys of the keyring never touch a body; they wrap data keys, which live in memory
    for a million messages at most.
    """

    name: ClassVar[str] = "encrypted"

    def __init__(self, keys: Keyring, *, messages_per_key: int = _MESSAGES_PER_DATA_KEY) -> None:
        """Take the keys, and after how many messages to make the next data key."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives import keywrap
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._keys = keys
        self._messages_per_key = messages_per_key
        self._cipher_of = AESGCM
        self._keywrap = keywrap
        self._invalid_tag = InvalidTag
        self._opened = lru_cache(maxsize=_OPENED_DATA_KEYS)(self._unwrap)
        self._current = self._new_data_key()

    def seal(
        self, body: bytes, *, topic: str, message_id: str, content_type: str
    ) -> tuple[bytes, Mapping[str, str]]:
        data_key = self._data_key()
        key_id = self._keys.primary
        bound_to = _bound_to(topic, message_id, content_type, key_id, data_key.wrapped)
        nonce = os.urandom(_NONCE_SIZE_BYTES)
        return nonce + data_key.cipher.encrypt(nonce, body, bound_to), {
            ENCRYPTION_HEADER: _ALGORITHM,
            KEY_ID_HEADER: key_id,
            ENCRYPTED_KEY_HEADER: data_key.wrapped,
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
        if meta.get(ENCRYPTION_HEADER) != _ALGORITHM or not is_key_id(key_id):
            raise DecryptError(f"the message is not encrypted ({_ALGORITHM}), as demanded here")
        if self._keys.get(key_id) is None:
            raise DecryptError(f"the message needs key {key_id!r}, which we do not have")
        wrapped = meta.get(ENCRYPTED_KEY_HEADER, "")
        cipher = self._opened(key_id, wrapped)
        bound_to = _bound_to(topic, message_id, content_type, key_id, wrapped)
        plain = None if cipher is None else self._decrypt(cipher, body, bound_to)
        if plain is None:
            raise DecryptError(f"the message does not open with key {key_id!r}")
        return plain

    def _decrypt(self, cipher: AESGCM, body: bytes, bound_to: bytes) -> bytes | None:
        if len(body) < _NONCE_SIZE_BYTES + _TAG_SIZE_BYTES:
            return None
        try:
            return cipher.decrypt(
                body[:_NONCE_SIZE_BYTES], memoryview(body)[_NONCE_SIZE_BYTES:], bound_to
            )
        except self._invalid_tag:
            return None

    def _data_key(self) -> _DataKey:
        if self._current.messages_left <= 0:
            self._current = self._new_data_key()
        self._current.messages_left -= 1
        return self._current

    def _new_data_key(self) -> _DataKey:
        key = os.urandom(KEY_SIZE_BYTES)
        wrapped = self._keywrap.aes_key_wrap(self._keys.primary_key, key)
        return _DataKey(
            cipher=self._cipher_of(key),
            wrapped=base64.b64encode(wrapped).decode(),
            messages_left=self._messages_per_key,
        )

    def _unwrap(self, key_id: str, wrapped: str) -> AESGCM | None:
        try:
            raw = base64.b64decode(wrapped, validate=True)
            key = self._keywrap.aes_key_unwrap(self._keys.get(key_id) or b"", raw)
        except (binascii.Error, ValueError, self._keywrap.InvalidUnwrap):
            return None
        return self._cipher_of(key) if len(key) == KEY_SIZE_BYTES else None


def _bound_to(topic: str, message_id: str, content_type: str, key_id: str, wrapped: str) -> bytes:
    texts = (topic, message_id, content_type, key_id, wrapped)
    return authenticated_data(_PURPOSE, *[text.encode("utf-8", "surrogatepass") for text in texts])
