"""The envelope that the configuration asks for."""

from __future__ import annotations

from anymq.cloudevents import CloudEventsMode
from anymq.codecs.envelope import Envelope
from anymq.codecs.keyring import Keyring
from anymq.codecs.registry import seal_by_name
from anymq.codecs.seal import Seal
from anymq.config import KeyRing, Settings
from anymq.errors import ConfigError

__all__ = ["make_envelope"]


def make_envelope(settings: Settings, source: str) -> Envelope:
    """Build it. Raises ConfigError for keys that do not fit, or both kinds of seal at once."""
    if settings.encryption is not None and settings.signing is not None:
        raise ConfigError(
            "encryption and signing are both configured: encryption authenticates already, so"
            " leave 'signing' out"
        )
    seal: Seal | None = None
    if settings.encryption is not None:
        seal = seal_by_name("encrypted", _keyring(settings.encryption))
    elif settings.signing is not None:
        seal = seal_by_name("signed", _keyring(settings.signing))
    events = None
    if settings.cloudevents != "off":
        events = CloudEventsMode(settings.cloudevents, source=source)
    return Envelope(seal=seal, cloudevents=events)


def _keyring(ring: KeyRing) -> Keyring:
    return Keyring(ring.keys, primary=ring.active)
