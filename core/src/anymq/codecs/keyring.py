"""Keys by name, with one of them in use: rotation is adding a key, then making it the primary."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import ItemsView, Mapping
from pathlib import Path
from typing import Protocol

from anymq.errors import ConfigError

__all__ = ["KEY_SIZE_BYTES", "Keyring", "Secret", "is_key_id"]

KEY_SIZE_BYTES = 32
"""Of AES-256, of HMAC-SHA256's full strength, and of an Ed25519 seed or public key."""

_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Secret(Protocol):
    """What pydantic's ``SecretStr`` offers; named here so that keys need no pydantic."""

    def get_secret_value(self) -> str: ...


class Keyring:
    """Keys of 32 bytes by id. The primary seals; every key opens. Its repr shows ids alone.

    To rotate: give every process the new key, then make it the primary everywhere, then, when no
    message sealed with the old one is left (dead letters included), take the old one away.
    """

    __slots__ = ("_keys", "primary")

    def __init__(
        self, keys: Mapping[str, bytes | str | Secret], *, primary: str | None = None
    ) -> None:
        """Take keys as 32 bytes, or as base64 of 32 bytes. ``primary`` is the first unless said.

        Raises:
            ConfigError: no key, a malformed id or key, or a primary that is not among them.
        """
        if not keys:
            raise ConfigError("a keyring needs at least one key")
        self._keys = {key_id: _key(key_id, value) for key_id, value in keys.items()}
        self.primary = next(iter(keys)) if primary is None else primary
        if self.primary not in self._keys:
            raise ConfigError(f"the primary key {self.primary!r} is not in the keyring")

    @classmethod
    def from_files(cls, paths: Mapping[str, str | Path], *, primary: str | None = None) -> Keyring:
        """Read each key from a file: 32 bytes, or their base64 with or without a line break.

        Raises:
            ConfigError: a file cannot be read, or does not hold a key.
        """
        return cls(
            {key_id: _read(key_id, Path(path)) for key_id, path in paths.items()}, primary=primary
        )

    def get(self, key_id: str) -> bytes | None:
        """The key of this id, or None."""
        return self._keys.get(key_id)

    def items(self) -> ItemsView[str, bytes]:
        """All ids with their keys, in the order given."""
        return self._keys.items()

    @property
    def primary_key(self) -> bytes:
        """The key that seals."""
        return self._keys[self.primary]

    def __repr__(self) -> str:
        return f"Keyring({sorted(self._keys)}, primary={self.primary!r})"


def is_key_id(text: str) -> bool:
    """Tell whether text is fit to be a key's id, and so to be shown in an error."""
    return _KEY_ID.fullmatch(text) is not None


def _key(key_id: str, value: bytes | str | Secret) -> bytes:
    if not is_key_id(key_id):
        raise ConfigError(f"not an id of a key: {key_id!r} (letters, digits, '.', '_', '-')")
    if isinstance(value, bytes):
        key = value
    else:
        key = _from_base64(key_id, value if isinstance(value, str) else value.get_secret_value())
    if len(key) != KEY_SIZE_BYTES:
        raise ConfigError(f"key {key_id!r} has {len(key)} bytes, but must have {KEY_SIZE_BYTES}")
    return key


def _from_base64(key_id: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        pass  # the error is raised below, without the text as its context
    raise ConfigError(f"key {key_id!r} is not base64")


def _read(key_id: str, path: Path) -> bytes | str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read key {key_id!r} from {path}: {error.strerror}") from error
    if len(content) == KEY_SIZE_BYTES:
        return content
    return content.decode("ascii", "replace")
