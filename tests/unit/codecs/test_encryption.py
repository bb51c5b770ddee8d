"""Encrypted bodies: bound to their message, opened by every key of the ring, silent on failure."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from anymq.codecs import (
    DecryptError,
    EncryptedSeal,
    Envelope,
    JsonCodec,
    Keyring,
    RawCodec,
    body_reader,
)
from anymq.errors import DecodeError
from anymq.message import Message

OLD, NEW = b"o" * 32, b"n" * 32
SEAL = EncryptedSeal(Keyring({"new": NEW, "old": OLD}))
ENVELOPE = Envelope(seal=SEAL)
MESSAGE = Message("news", b'{"a":"CANARY"}', "id-1", 12.5, key="k")


def test_nothing_of_the_body_is_on_the_wire() -> None:
    """The body is nonce, ciphertext and tag; headers tell algorithm, key id and wrapped key."""
    wrapped = ENVELOPE.wrap(MESSAGE)

    assert len(wrapped.body) == 12 + len(MESSAGE.body) + 16
    assert b"CANARY" not in wrapped.body
    assert wrapped.content_type == "application/json"
    assert wrapped.meta["anymq-encryption"] == "A256GCM"
    assert wrapped.meta["anymq-key-id"] == "new"
    assert set(wrapped.meta) == {"anymq-encryption", "anymq-key-id", "anymq-encrypted-key"}


@given(body=st.binary(), topic=st.text(), message_id=st.text(), content_type=st.text())
def test_what_was_sealed_opens(body: bytes, topic: str, message_id: str, content_type: str) -> None:
    """In the process that sealed it and in any other with the key."""
    about = {"topic": topic, "message_id": message_id, "content_type": content_type}
    sealed, meta = SEAL.seal(body, **about)

    assert SEAL.open(sealed, meta=meta, **about) == body
    assert EncryptedSeal(Keyring({"new": NEW})).open(sealed, meta=meta, **about) == body


def test_copies_for_retry_and_dead_letters_open() -> None:
    """Everything but topic, id, type and the seal's headers may change."""
    wrapped = ENVELOPE.wrap(MESSAGE)
    copy = replace(wrapped, lane="retry", group="g", attempt=3, key=None, headers={"x": "y"})

    assert body_reader(JsonCodec(), Any, envelope=ENVELOPE)(copy) == {"a": "CANARY"}


WRAPPED = ENVELOPE.wrap(MESSAGE)
OTHER = ENVELOPE.wrap(replace(MESSAGE, id="id-2"))
SHORT_KEY = base64.b64encode(aes_key_wrap(NEW, b"s" * 16)).decode()
TAMPERED: dict[str, tuple[dict[str, Any], dict[str, str | None]]] = {
    "flipped bit": ({"body": WRAPPED.body[:20] + b"\x00" + WRAPPED.body[21:]}, {}),
    "flipped nonce": ({"body": bytes([WRAPPED.body[0] ^ 1]) + WRAPPED.body[1:]}, {}),
    "truncated tag": ({"body": WRAPPED.body[:-1]}, {}),
    "shorter than a tag": ({"body": WRAPPED.body[:27]}, {}),
    "empty": ({"body": b""}, {}),
    "in clear": ({"body": MESSAGE.body}, {}),
    "body of another message": ({"body": OTHER.body}, {}),
    "topic of another message": ({"topic": "other"}, {}),
    "id of another message": ({"id": "id-2"}, {}),
    "another content type": ({"content_type": "application/msgpack"}, {}),
    "another key": ({}, {"anymq-key-id": "old"}),
    "wrapped key flipped": ({}, {"anymq-encrypted-key": "AAAA" * 13 + "AAA="}),
    "wrapped key too short": ({}, {"anymq-encrypted-key": "AAAA"}),
    "wrapped key of another size": ({}, {"anymq-encrypted-key": SHORT_KEY}),
    "wrapped key no base64": ({}, {"anymq-encrypted-key": "Č"}),
    "no wrapped key": ({}, {"anymq-encrypted-key": None}),
}
MISFITS: dict[str, dict[str, str | None]] = {
    "unknown key": {"anymq-key-id": "none"},
    "no key id": {"anymq-key-id": None},
    "key id of another kind": {"anymq-key-id": "a\nb"},
    "another algorithm": {"anymq-encryption": "A128CBC"},
    "no algorithm": {"anymq-encryption": None},
}


def changed(fields: dict[str, Any], headers: dict[str, str | None]) -> Message:
    meta = {**WRAPPED.meta, **headers}
    return replace(WRAPPED, meta={k: v for k, v in meta.items() if v is not None}, **fields)


@pytest.mark.parametrize(("fields", "headers"), TAMPERED.values(), ids=TAMPERED.keys())
def test_all_tampering_gets_the_same_answer(
    fields: dict[str, Any], headers: dict[str, str | None]
) -> None:
    """No text tells what exactly did not fit: nobody can ask us about a ciphertext."""
    with pytest.raises(DecryptError) as caught:
        ENVELOPE.unwrap(changed(fields, headers))

    key_id = headers.get("anymq-key-id", "new")
    assert str(caught.value) == f"the message does not open with key '{key_id}'"
    assert caught.value.code == "decrypt_error"
    assert isinstance(caught.value, DecodeError)


@pytest.mark.parametrize("headers", MISFITS.values(), ids=MISFITS.keys())
def test_what_is_not_sealed_for_us_is_refused(headers: dict[str, str | None]) -> None:
    """No key, no algorithm, another algorithm: an error that may name an id, never a key."""
    with pytest.raises(DecryptError) as caught:
        ENVELOPE.unwrap(changed({}, headers))

    assert "\n" not in str(caught.value)


def test_a_message_in_clear_is_refused() -> None:
    """Who has keys demands their use: anybody could write a message without."""
    with pytest.raises(DecryptError, match="is not encrypted"):
        ENVELOPE.unwrap(MESSAGE)


@pytest.mark.parametrize("envelope", [None, Envelope()], ids=["none", "empty"])
def test_without_keys_ciphertext_is_not_decoded(envelope: Envelope | None) -> None:
    """A subscriber without keys refuses it, even one that takes any bytes."""
    with pytest.raises(DecryptError, match="has no keys"):
        body_reader(RawCodec(), bytes, envelope=envelope)(WRAPPED)


def test_rotation() -> None:
    """An old message is readable with [new, old], and not with [new]."""
    before = Envelope(seal=EncryptedSeal(Keyring({"old": OLD})))
    after = Envelope(seal=EncryptedSeal(Keyring({"new": NEW})))
    old_message = before.wrap(MESSAGE)

    assert ENVELOPE.unwrap(old_message).body == MESSAGE.body
    assert after.unwrap(ENVELOPE.wrap(MESSAGE)).body == MESSAGE.body
    with pytest.raises(DecryptError, match="needs key 'old', which we do not have"):
        after.unwrap(old_message)


def test_nonces_do_not_repeat() -> None:
    """A hundred thousand seals, as many nonces."""
    nonces = {
        SEAL.seal(b"", topic="t", message_id="i", content_type="c")[0][:12] for _ in range(100_000)
    }

    assert len(nonces) == 100_000


def test_a_data_key_seals_so_many_messages() -> None:
    """Before random nonces could meet, the next data key takes over; the old one still opens."""
    envelope = Envelope(seal=EncryptedSeal(Keyring({"new": NEW}), messages_per_key=3))

    sealed = [envelope.wrap(MESSAGE) for _ in range(7)]

    uses = Counter(message.meta["anymq-encrypted-key"] for message in sealed)
    assert list(uses.values()) == [3, 3, 1]
    assert {envelope.unwrap(message).body for message in sealed} == {MESSAGE.body}


def test_envelope_opens_by_hand() -> None:
    """A foreign client opens it from the documented layout alone."""
    meta = WRAPPED.meta
    texts = ["news", "id-1", "application/json", "new", meta["anymq-encrypted-key"]]
    bound_to = b"anymq-encryption-v1" + b"".join(
        len(text).to_bytes(4, "big") + text.encode() for text in texts
    )
    data_key = aes_key_unwrap(NEW, base64.b64decode(meta["anymq-encrypted-key"]))

    plain = AESGCM(data_key).decrypt(WRAPPED.body[:12], WRAPPED.body[12:], bound_to)

    assert plain == MESSAGE.body
