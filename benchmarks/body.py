"""The body that everything is measured with: a dict whose compact JSON is exactly 256 bytes."""

from __future__ import annotations

import json
from typing import Any

from anymq.codecs.codec import Codec

__all__ = ["BODY", "PlainJson", "dumps", "loads"]

dumps = json.JSONEncoder(separators=(",", ":")).encode
loads = json.loads


def _body() -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": 12345,
        "name": "Ada Lovelace",
        "vendor": "vendor-2",
        "salary": 2750.5,
        "days": [1, 2, 3],
        "active": True,
        "note": "",
    }
    body["note"] = "x" * (256 - len(dumps(body).encode()))
    return body


BODY = _body()


class PlainJson(Codec):
    """The same two calls of the module ``json`` that the raw loop makes, and nothing more."""

    name = "plain-json"
    content_type = "application/json"
    accepted = frozenset({"application/json"})

    def encode(self, value: Any) -> bytes:
        return dumps(value).encode()

    def decoder(self, annotation: Any) -> Any:
        return loads
