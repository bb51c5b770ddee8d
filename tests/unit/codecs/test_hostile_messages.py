"""Whole messages from hostile hands: nothing but DecodeError comes out of a reader."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.cloudevents import CLOUDEVENT_TYPE, CloudEventsMode
from anymq.codecs import (
    Ed25519Seal,
    EncryptedSeal,
    Envelope,
    HmacSeal,
    JsonCodec,
    Keyring,
    body_reader,
)
from anymq.errors import DecodeError
from anymq.message import Message

KEYS = Keyring({"k": b"k" * 32})
EVENTS = CloudEventsMode("structured", source="/s")
ENVELOPES = {
    "none": None,
    "events": Envelope(cloudevents=EVENTS),
    "encrypted": Envelope(seal=EncryptedSeal(KEYS), cloudevents=EVENTS),
    "signed": Envelope(seal=HmacSeal(KEYS)),
    "signed-ed25519": Envelope(seal=Ed25519Seal(private=KEYS)),
}
TEXT = st.text(st.characters(exclude_categories=[]), max_size=30)
BASE64 = st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode())
META = st.fixed_dictionaries(
    {},
    optional={
        "anymq-key-id": st.just("k") | TEXT,
        "anymq-encryption": st.just("A256GCM") | TEXT,
        "anymq-encrypted-key": BASE64 | TEXT,
        "anymq-signature": st.builds(
            str.__add__, st.sampled_from(["hmac-sha256:", "ed25519:", ""]), BASE64 | TEXT
        ),
        "anymq-signed-at": TEXT,
    },
)
EVENT = st.dictionaries(
    st.sampled_from(["specversion", "id", "source", "type", "data", "data_base64", "ext"]),
    st.sampled_from(['"1.0"', '"x"', "1", "null", "[]", '""', '"\\ud800"', "1e999"]),
).map(lambda event: "{" + ",".join(f'"{k}":{v}' for k, v in event.items()) + "}")


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES.keys())
@given(
    body=st.binary(max_size=80) | EVENT.map(str.encode),
    content_type=st.sampled_from(["application/json", CLOUDEVENT_TYPE]) | TEXT,
    meta=META,
    headers=st.dictionaries(st.sampled_from(["content-type", "ce_id", "CE-"]) | TEXT, TEXT),
)
def test_only_decode_errors_come_out(
    envelope: Envelope | None,
    body: bytes,
    content_type: str,
    meta: dict[str, str],
    headers: dict[str, str],
) -> None:
    """Whatever body, headers and seal a message has, it is read or refused."""
    message = Message(
        "news", body, "id", 0.0, content_type=content_type, meta=meta, headers=headers
    )
    read = body_reader(JsonCodec(), Any, envelope=envelope)

    refusal = ""
    try:
        read(message)
    except DecodeError as error:
        refusal = str(error)

    assert len(refusal) < 500
