"""Ed25519 signatures: consumers verify with public keys, and cannot sign."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from anymq.codecs.keyring import Keyring
from anymq.codecs.signing import SignatureSeal
from anymq.errors import ConfigError

__all__ = ["Ed25519Seal"]


class Ed25519Seal(SignatureSeal):
    """Ed25519 (RFC 8032): proves to a consumer who signed, without enabling it to sign."""

    name: ClassVar[str] = "signed-ed25519"
    algorithm: ClassVar[str] = "ed25519"

    def __init__(
        self,
        *,
        private: Keyring | None = None,
        public: Keyring | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        """Take private keys (32-byte seeds) to sign with, public ones to verify with, or both.

        What the private keys sign can be verified here too, without naming their public halves.

        Raises:
            ConfigError: neither was given, or a public key is not one.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (
            Ed25519PrivateKey,
            Ed25519PublicKey,
        )

        if private is None and public is None:
            raise ConfigError("Ed25519 needs private keys to sign or public keys to verify")
        super().__init__(wall_time=wall_time)
        self._invalid_signature = InvalidSignature
        self._signs: tuple[str, Callable[[bytes], bytes]] | None = None
        self._verifiers: dict[str, Ed25519PublicKey] = {}
        for key_id, seed in private.items() if private else ():
            signer = Ed25519PrivateKey.from_private_bytes(seed)
            self._verifiers[key_id] = signer.public_key()
            if private is not None and key_id == private.primary:
                self._signs = (key_id, signer.sign)
        for key_id, public_key in public.items() if public else ():
            self._verifiers[key_id] = Ed25519PublicKey.from_public_bytes(public_key)

    def _signer(self) -> tuple[str, Callable[[bytes], bytes]]:
        if self._signs is None:
            raise ConfigError("signing needs a private Ed25519 key, and only public ones are given")
        return self._signs

    def _is_genuine(self, key_id: str, signature: bytes, data: bytes) -> bool | None:
        verifier = self._verifiers.get(key_id)
        if verifier is None:
            return None
        try:
            verifier.verify(signature, data)
        except self._invalid_signature:
            return False
        return True
