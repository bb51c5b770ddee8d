"""Kinds of undecodable messages that an operator must be able to tell apart by their code."""

from __future__ import annotations

from anymq.errors import DecodeError

__all__ = ["BadSignature", "DecryptError", "UntrustedContent"]


class UntrustedContent(DecodeError):
    """The content type is not one that the codec reads; the body was not looked at."""

    code = "untrusted_content"


class DecryptError(DecodeError):
    """The body does not open: no such key, another message's envelope, or changed on the way.

    Which of the last two it was is not told, to nobody.
    """

    code = "decrypt_error"


class BadSignature(DecodeError):
    """The signature is missing, or not that of this message under any key we have."""

    code = "bad_signature"
