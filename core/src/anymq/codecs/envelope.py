"""What happens to a message between codec and backend: CloudEvents, then the seal, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from anymq.codecs.failures import DecryptError
from anymq.codecs.seal import ENCRYPTION_HEADER, Seal
from anymq.message import Message

if TYPE_CHECKING:
    from anymq.cloudevents import CloudEventsMode

__all__ = ["Envelope"]


class Envelope:
    """Wraps encoded messages for the wire, and unwraps those that came from it.

    Publishing: codec, CloudEvents, seal. Consuming: seal, CloudEvents, codec. A consumer keeps the
    message as it came beside the unwrapped one: retries and dead letters carry the former.
    """

    __slots__ = ("_cloudevents", "_seal")

    def __init__(
        self, *, seal: Seal | None = None, cloudevents: CloudEventsMode | None = None
    ) -> None:
        self._seal = seal
        self._cloudevents = cloudevents

    def wrap(self, message: Message) -> Message:
        """Return the message to send; the one given stays as it is.

        Raises:
            PublishRejected: (``invalid``) its body cannot be put into a structured CloudEvent.
            ConfigError: the seal has no key to seal with.
        """
        if self._cloudevents is not None:
            message = self._cloudevents.wrap(message)
        if self._seal is None:
            return message
        body, meta = self._seal.seal(
            message.body,
            topic=message.topic,
            message_id=message.id,
            content_type=message.content_type,
        )
        return replace(message, body=body, meta=_merged(message.meta, meta))

    def unwrap(self, message: Message) -> Message:
        """Return the message as its publisher's codec left it; the one given stays as it is.

        Raises:
            DecodeError: it does not open, or says that it is a CloudEvent and is none.
        """
        if self._seal is not None:
            body = self._seal.open(
                message.body,
                topic=message.topic,
                message_id=message.id,
                content_type=message.content_type,
                meta=message.meta,
            )
            message = replace(message, body=body)
        elif ENCRYPTION_HEADER in message.meta:
            raise DecryptError("the message is encrypted, and this subscriber has no keys")
        if self._cloudevents is None:
            return message
        return self._cloudevents.unwrap(message, is_sealed=self._seal is not None)


def _merged(first: Mapping[str, str], second: Mapping[str, str]) -> Mapping[str, str]:
    return {**first, **second} if first else second
