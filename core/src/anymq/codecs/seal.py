"""The seal: what happens to an encoded body between the codec and the backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

__all__ = ["ENCRYPTION_HEADER", "KEY_ID_HEADER", "Seal", "authenticated_data"]

KEY_ID_HEADER = "anymq-key-id"
"""Which key sealed the message. A name, never a key."""

ENCRYPTION_HEADER = "anymq-encryption"
"""How the body is encrypted; there on encrypted messages alone."""


class Seal(ABC):
    """Encrypts or signs bodies, bound to the topic and id of their message.

    Publishing applies it after the codec, consuming before it. Retried, delayed and dead-lettered
    copies keep topic, id, body and ``meta``, so they open like the original.
    """

    name: ClassVar[str]
    """What configuration calls it."""

    @abstractmethod
    def seal(
        self, body: bytes, *, topic: str, message_id: str, content_type: str
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the body to send, and the ``anymq-*`` headers that opening it needs.

        Raises:
            ConfigError: this side has no key to seal with.
        """

    @abstractmethod
    def open(
        self,
        body: bytes,
        *,
        topic: str,
        message_id: str,
        content_type: str,
        meta: Mapping[str, str],
    ) -> bytes:
        """Return the body as the codec made it, once it has proved genuine.

        Raises:
            DecodeError: (``decrypt_error`` or ``bad_signature``) it did not. A message without a
                seal is refused likewise.
        """


def authenticated_data(purpose: bytes, *parts: bytes) -> bytes:
    """Join parts so that no other list of parts gives the same bytes.

    ``purpose`` in clear, then each part behind its length (4 bytes, big-endian), so that
    ``("ab", "c")`` and ``("a", "bc")`` differ, and no signature serves for another purpose.
    """
    return purpose + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
