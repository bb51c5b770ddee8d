"""Which partition a key belongs to, as Kafka's Java client has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.support.partitioner import murmur2, partition_of

# Expected values of org.apache.kafka.common.utils.UtilsTest.testMurmur2, as signed 32-bit.
JAVA = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("data", "expected"), JAVA)
def test_murmur2_is_kafkas(data: bytes, expected: int) -> None:
    """The vectors of Kafka's own Java test, every length modulo four among them."""
    assert murmur2(data) == expected & 0xFFFFFFFF


@given(key=st.text(), partitions=st.integers(1, 1000))
def test_a_key_has_one_partition_among_those_there_are(key: str, partitions: int) -> None:
    """The same key always gives the same partition, within the range."""
    found = partition_of(key, partitions)

    assert 0 <= found < partitions
    assert partition_of(key, partitions) == found


def test_keys_are_spread_over_all_partitions() -> None:
    """A thousand keys leave none of seven partitions with less than half its share."""
    counts = [0] * 7
    for number in range(1000):
        counts[partition_of(f"key-{number}", 7)] += 1

    assert min(counts) > 1000 / 7 / 2
