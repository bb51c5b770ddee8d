"""A copy of a damaged file, as it was found: whoever repairs it can begin again."""

from __future__ import annotations

import os
import shutil
import time

__all__ = ["keep_copy"]


def keep_copy(file: str) -> str | None:
    """Copy a file and its log beside it, once; the copy's name, or None where that failed.

    To be called before the connection that found the damage is closed: closing folds the log in.
    """
    try:
        found_at = time.strftime("%Y%m%dT%H%M%S", time.gmtime(os.path.getmtime(file)))
        target = f"{file}.damaged-{found_at}"
        if not os.path.exists(target):
            if os.path.exists(f"{file}-wal") and os.path.getsize(f"{file}-wal"):
                _copy(f"{file}-wal", f"{target}-wal")
            _copy(file, target)  # last: where it is missing, the next start copies both again
    except OSError:
        return None  # no room, or no access: the error tells to copy it by hand
    return target


def _copy(source: str, target: str) -> None:
    part = f"{target}.part"
    try:
        shutil.copy2(source, part)
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.remove(part)
