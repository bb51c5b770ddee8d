"""Secrets that stand in files: mounted by an orchestrator, or kept out of the configuration."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

from anymq.errors import ConfigError

__all__ = ["read_secret_file"]

_log = logging.getLogger(__name__)

# Keys and passwords are short; anything larger is the wrong file.
_MAX_BYTES = 65_536


def read_secret_file(path: str, *, origin: str) -> str:
    """The file's text without the newline at its end; symbolic links are followed.

    A file that others may read is told of in the log (orchestrators mount secrets so). Raises
    ConfigError, naming the key but never the content, when the file is missing, empty, not a
    regular file, too large or no text.
    """
    problem = ""
    content = b""
    try:
        info = Path(path).stat()
        if not stat.S_ISREG(info.st_mode):
            problem = "is not a regular file"
        elif info.st_size > _MAX_BYTES:
            problem = f"is larger than {_MAX_BYTES} bytes"
        else:
            content = Path(path).read_bytes()
            _tell_if_exposed(path, info.st_mode, origin)
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    text = _decode(content)
    problem = problem or ("is no UTF-8 text" if text is None else "" if text else "is empty")
    if problem or text is None:
        raise ConfigError(f"{origin}: the file {path!r} {problem}")
    return text


def _decode(content: bytes) -> str | None:
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return None


def _tell_if_exposed(path: str, mode: int, origin: str) -> None:
    if mode & stat.S_IROTH:
        _log.warning(
            "%s: everybody on this machine may read the secret in %r; chmod o-r it", origin, path
        )
