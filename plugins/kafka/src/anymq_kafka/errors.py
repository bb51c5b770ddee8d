"""What the client library's errors mean: one table for results of sends, one for exceptions."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, ConfigError, TopologyError
from anymq.outcome import Rejected, SendResult, Unknown

__all__ = ["error_of", "is_denied", "is_missing", "refusal_of", "result_of", "told"]

_MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.GROUP_ID_NOT_FOUND,
    }
)
_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.SECURITY_DISABLED,
        KafkaError._AUTHENTICATION,
    }
)
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_INVALID = frozenset(
    {
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_ARG,
    }
)
_CONFIGURATION = frozenset(
    {
        KafkaError._INVALID_ARG,
        KafkaError._SSL,
        KafkaError._RESOLVE,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.UNSUPPORTED_VERSION,
    }
)
_REJECTIONS = (
    (_MISSING, "not_found"),
    (_TOO_LARGE, "too_large"),
    (_DENIED, "denied"),
    (_INVALID, "invalid"),
    (frozenset({KafkaError._QUEUE_FULL}), "full"),
)


def told(error: KafkaError) -> str:
    """The error for people: its name and text, which never hold a body."""
    return f"{error.name()}: {error.str()}"


def is_missing(error: KafkaError) -> bool:
    """Whether a topic, partition or group does not exist."""
    return error.code() in _MISSING


def is_denied(error: KafkaError) -> bool:
    """Whether credentials or permissions were refused."""
    return error.code() in _DENIED


def refusal_of(error: KafkaError) -> AnyMQError | None:
    """Why the servers will not let us in however often we ask; None for all other events."""
    if is_denied(error):
        return AccessDenied(f"{told(error)} (see the URL's user name and password, sasl_mechanism)")
    if "certificate verify failed" in error.str():
        return ConfigError(f"{told(error)} (see tls_ca_file, and whether the host's name fits)")
    return None


def result_of(error: KafkaError) -> SendResult:
    """The result of an entry that was not confirmed: certainly not stored, or nobody knows."""
    code = error.code()
    for codes, name in _REJECTIONS:
        if code in codes:
            return Rejected(name, told(error))
    return Unknown(told(error))


def error_of(caught: KafkaException | KafkaError, what: str) -> AnyMQError:
    """Our error for a client error; ``what`` says what was being done."""
    error = caught.args[0] if isinstance(caught, KafkaException) else caught
    code = error.code()
    text = f"{what}: {told(error)}"
    if code in _DENIED:
        return AccessDenied(text)
    if code in _MISSING:
        return TopologyError(text)
    if code in _CONFIGURATION:
        return ConfigError(text)
    return BackendUnavailable(text)
