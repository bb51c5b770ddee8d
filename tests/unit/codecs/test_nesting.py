"""The limit on depth: exact, blind to brackets in strings, quick with large bodies."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.codecs import MAX_DEPTH, JsonCodec, StdlibJsonCodec
from anymq.codecs.nesting import is_too_deep
from anymq.errors import DecodeError, PublishRejected


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize("codec", [JsonCodec(), StdlibJsonCodec()], ids=lambda codec: codec.name)
def test_the_limit_is_the_same_on_both_sides(codec: JsonCodec | StdlibJsonCodec) -> None:
    """What may be published can be read; one level more is refused on either side."""
    decode = codec.decoder(Any)
    deepest = codec.encode(nested(MAX_DEPTH))

    assert decode(deepest) == nested(MAX_DEPTH)
    with pytest.raises(PublishRejected, match="too deep") as rejected:
        codec.encode(nested(MAX_DEPTH + 1))
    assert rejected.value.code == "invalid"
    with pytest.raises(DecodeError, match="too deep"):
        decode(b"[" + deepest + b"]")


@pytest.mark.parametrize(
    "text", ["[" * 2000, '"' * 600 + "[" * 600, "\\" * 301 + "[{" * 600, '\\"[' * 600]
)
def test_brackets_in_strings_do_not_count(text: str) -> None:
    """Quotes and backslashes inside strings do not lead the count astray."""
    body = msgspec.json.encode({"text": text, "more": [text]})

    assert not is_too_deep(body)


def test_width_is_no_depth() -> None:
    """A body of a hundred thousand siblings is as shallow as one of two."""
    assert not is_too_deep(msgspec.json.encode([{"a": [i]} for i in range(100_000)]))


def test_depth_is_found_behind_width() -> None:
    """The count goes on through all of the body."""
    body = b"[" + b"[]," * 50_000 + b"[" * 600 + b"]" * 600 + b"]"

    assert is_too_deep(body)


@given(
    st.recursive(
        st.text(alphabet='[]{}"\\a', max_size=300),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\[{'), inner),
    ),
    st.integers(MAX_DEPTH - 3, MAX_DEPTH + 3),
)
def test_depth_is_exact(value: Any, around: int) -> None:
    """The measured verdict is that of counting levels one by one."""

    def depth(node: Any) -> int:
        if isinstance(node, dict):
            return 1 + max(map(depth, node.values()), default=0)
        return 1 + max(map(depth, node), default=0) if isinstance(node, list) else 0

    wrapped = msgspec.json.encode(value)
    body = b"[" * around + wrapped + b"]" * around

    assert is_too_deep(body) == (around + depth(value) > MAX_DEPTH)
