"""What a cluster refuses for a moment only: after a topic was made, a node started or moved."""

from __future__ import annotations

from confluent_kafka import KafkaError

__all__ = ["is_settling_down"]

_CODES = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._TRANSPORT,
    }
)


def is_settling_down(error: KafkaError) -> bool:
    """Whether asking again soon is likely to help."""
    return error.code() in _CODES
