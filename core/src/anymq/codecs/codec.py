"""The codec: how a value becomes the body of a message, and how a body becomes a value again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["Codec", "Decoder", "media_type"]

Decoder = Callable[[bytes], Any]
"""Reads one body. Raises ``DecodeError`` and nothing else that the body could provoke."""


class Codec(ABC):
    """Encodes and decodes bodies. Stateless: one instance serves every topic and thread.

    A codec never sees topic, id or headers; encryption and signing, which must, are a ``Seal``.
    """

    name: ClassVar[str]
    """What configuration calls it; lower case and unique."""
    content_type: ClassVar[str]
    """What publishing writes beside the body."""
    accepted: ClassVar[frozenset[str]]
    """The media types it will read, lower case and without parameters."""

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """Turn ``value`` into a body.

        Raises:
            PublishRejected: (``invalid``) the format cannot carry the value. The text names types
                and never holds a part of the value.
        """

    @abstractmethod
    def decoder(self, annotation: Any) -> Decoder:
        """Make the function that reads bodies for a parameter with this annotation.

        Called once per handler, at start. ``Any``, ``object`` and a missing annotation give plain
        Python objects; ``bytes`` gives the body as it came.

        Raises:
            ConfigError: no decoder can be made for the annotation.
        """

    def accepts(self, content_type: str) -> bool:
        """Tell whether it reads this content type; parameters such as ``charset`` are ignored."""
        return content_type == self.content_type or media_type(content_type) in self.accepted


def media_type(content_type: str) -> str:
    """The bare media type: ``Application/JSON; charset=utf-8`` is ``application/json``."""
    return content_type.partition(";")[0].strip().lower()
