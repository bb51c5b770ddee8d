"""Signatures: what is covered, who may sign, and what is refused before it is decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from anymq.codecs import (
    BadSignature,
    Ed25519Seal,
    Envelope,
    HmacSeal,
    JsonCodec,
    Keyring,
    Seal,
    body_reader,
)
from anymq.errors import ConfigError, DecodeError
from anymq.message import Message

OLD, NEW = b"o" * 32, b"n" * 32
MESSAGE = Message("news", b'{"a":1}', "id-1", 12.5, key="k", headers={"h": "1"})


def public_half(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def seals(keys: Keyring) -> list[Seal]:
    return [HmacSeal(keys, wall_time=lambda: 1e9), Ed25519Seal(private=keys, wall_time=lambda: 1e9)]


SEALS = seals(Keyring({"new": NEW, "old": OLD}))
each = pytest.mark.parametrize("seal", SEALS, ids=lambda seal: seal.name)


@each
def test_a_signed_body_stays_readable(seal: Seal) -> None:
    """The body is what the codec made; signature, key id and time stand beside it."""
    wrapped = Envelope(seal=seal).wrap(replace(MESSAGE, meta={"traceparent": "00-1"}))

    assert wrapped.body == MESSAGE.body
    assert wrapped.content_type == "application/json"
    assert wrapped.meta["traceparent"] == "00-1"
    assert wrapped.meta["anymq-key-id"] == "new"
    assert wrapped.meta["anymq-signed-at"] == "1000000000"
    assert wrapped.meta["anymq-signature"].partition(":")[0] in ("hmac-sha256", "ed25519")
    assert MESSAGE.meta == {}


@each
@given(body=st.binary(), topic=st.text(), message_id=st.text(), content_type=st.text())
def test_what_was_signed_opens(
    seal: Seal, body: bytes, topic: str, message_id: str, content_type: str
) -> None:
    """Whatever the four are, lone surrogates included."""
    about = {"topic": topic, "message_id": message_id, "content_type": content_type}
    sealed, meta = seal.seal(body, **about)

    assert seal.open(sealed, meta=meta, **about) == body


@each
def test_copies_for_retry_and_dead_letters_verify(seal: Seal) -> None:
    """Lane, attempt, delay, key, headers and trace may change; the signature holds."""
    envelope = Envelope(seal=seal)
    wrapped = envelope.wrap(MESSAGE)
    copy = replace(
        wrapped,
        lane="dead",
        group="g",
        attempt=4,
        due_at=5.0,
        key="other",
        headers={},
        meta={**wrapped.meta, "traceparent": "00-2"},
    )

    assert envelope.unwrap(copy).body == MESSAGE.body


def forge(**changes: Any) -> dict[str, Any]:
    return changes


FORGERIES = {
    "body": forge(body=b'{"a":2}'),
    "topic": forge(topic="other"),
    "id": forge(id="id-2"),
    "content type": forge(content_type="application/other+json"),
    "key id": {"anymq-key-id": "old"},
    "unknown key": {"anymq-key-id": "none"},
    "key id of another kind": {"anymq-key-id": "a\nb"},
    "no key id": {"anymq-key-id": None},
    "time": {"anymq-signed-at": "1000000001"},
    "no time": {"anymq-signed-at": None},
    "signature": {"anymq-signature": "hmac-sha256:" + "A" * 43 + "="},
    "signature of Ed25519": {"anymq-signature": "ed25519:" + "A" * 86 + "=="},
    "no base64": {"anymq-signature": "hmac-sha256:?"},
    "no base64 at all": {"anymq-signature": "ed25519:Č"},
    "algorithm": {"anymq-signature": "none:AAAA"},
    "no algorithm": {"anymq-signature": "AAAA"},
    "no signature": {"anymq-signature": None},
}


@each
@pytest.mark.parametrize("changes", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_refused_before_it_is_decoded(seal: Seal, changes: dict[str, Any]) -> None:
    """Another body, topic, id, type, key or signature: bad_signature, whatever the codec thinks."""
    wrapped = Envelope(seal=seal).wrap(MESSAGE)
    headers = {name: value for name, value in changes.items() if name.startswith("anymq-")}
    fields = {name: value for name, value in changes.items() if name not in headers}
    meta = {k: v for k, v in {**wrapped.meta, **headers}.items() if v is not None}
    forged = replace(wrapped, meta=meta, **fields)
    read = body_reader(JsonCodec(), Any, envelope=Envelope(seal=seal))

    with pytest.raises(BadSignature) as caught:
        read(forged)

    assert isinstance(caught.value, DecodeError)
    assert caught.value.code == "bad_signature"
    assert caught.value.error_class == "permanent"
    assert "\n" not in str(caught.value)


def test_parts_cannot_be_shifted_into_each_other() -> None:
    """Topic ``ab`` with id ``c`` is not topic ``a`` with id ``bc``."""
    seal = SEALS[0]
    _, meta = seal.seal(b"", topic="ab", message_id="c", content_type="t")

    with pytest.raises(BadSignature):
        seal.open(b"", topic="a", message_id="bc", content_type="t", meta=meta)


@pytest.mark.parametrize("kind", [0, 1], ids=["hmac", "ed25519"])
def test_rotation(kind: int) -> None:
    """An old key is accepted as long as it is in the keyring, and no longer."""
    before = Envelope(seal=seals(Keyring({"old": OLD}))[kind])
    during = Envelope(seal=seals(Keyring({"new": NEW, "old": OLD}))[kind])
    after = Envelope(seal=seals(Keyring({"new": NEW}))[kind])

    assert during.unwrap(before.wrap(MESSAGE)).body == MESSAGE.body
    assert after.unwrap(during.wrap(MESSAGE)).body == MESSAGE.body
    with pytest.raises(BadSignature, match="key 'old', which we do not have"):
        after.unwrap(before.wrap(MESSAGE))


def test_one_kind_of_signature_is_not_taken_for_the_other() -> None:
    """A consumer that demands Ed25519 does not accept an HMAC, and the other way round."""
    for signer, verifier in (SEALS, reversed(SEALS)):
        with pytest.raises(BadSignature, match="is not signed by"):
            Envelope(seal=verifier).unwrap(Envelope(seal=signer).wrap(MESSAGE))


def test_verifying_needs_public_keys_alone() -> None:
    """A consumer with public keys verifies, and cannot sign."""
    signer = Envelope(seal=Ed25519Seal(private=Keyring({"new": NEW})))
    consumer = Ed25519Seal(public=Keyring({"new": public_half(NEW), "old": public_half(OLD)}))

    assert Envelope(seal=consumer).unwrap(signer.wrap(MESSAGE)).body == MESSAGE.body
    with pytest.raises(ConfigError, match="only public ones"):
        Envelope(seal=consumer).wrap(MESSAGE)


def test_ed25519_needs_keys() -> None:
    """Neither kind of key is a mistake in the configuration."""
    with pytest.raises(ConfigError, match="private keys to sign or public keys to verify"):
        Ed25519Seal()


def test_without_keys_a_signed_message_is_read() -> None:
    """A signature is an offer: who demands none reads the body as ever."""
    wrapped = Envelope(seal=SEALS[0]).wrap(MESSAGE)

    assert body_reader(JsonCodec(), Any)(wrapped) == {"a": 1}
    assert body_reader(JsonCodec(), Any, envelope=Envelope())(wrapped) == {"a": 1}
    assert Envelope().wrap(MESSAGE) is MESSAGE


def test_signature_is_reproducible_by_hand() -> None:
    """A foreign client can make the same signature from the documented layout."""
    import base64
    import hashlib
    import hmac

    texts = ["news", "id-1", "application/json", "new", "1000000000"]
    parts = [*(text.encode() for text in texts), MESSAGE.body]
    data = b"anymq-signature-v1" + b"".join(len(p).to_bytes(4, "big") + p for p in parts)
    by_hand = base64.b64encode(hmac.new(NEW, data, hashlib.sha256).digest()).decode()

    wrapped = Envelope(seal=SEALS[0]).wrap(MESSAGE)

    assert wrapped.meta["anymq-signature"] == f"hmac-sha256:{by_hand}"
