"""Where the file is: what would lose messages, or fail later, is refused before opening."""

from __future__ import annotations

import os
from pathlib import Path

from anymq.errors import AccessDenied, BackendUnavailable, ConfigError

__all__ = ["check_location", "file_system", "identity"]

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "ocfs2", "gfs2"}
    | {"glusterfs", "beegfs", "ncpfs", "coda", "davfs", "sshfs", "s3fs", "gcsfuse", "rclone"}
)
"""WAL needs memory shared by all processes, which these do not have across machines."""


def check_location(file: str, mounts: str = "/proc/self/mounts") -> None:
    """Refuse a file that cannot be or must not be used.

    Raises: BackendUnavailable (no folder: it may come), AccessDenied, ConfigError.
    """
    folder = os.path.dirname(file)
    if not os.path.isdir(folder):
        raise BackendUnavailable(
            f"{file}: its folder does not exist: make {folder}, or correct the path in url"
        )
    kind = file_system(folder, mounts)
    if kind.removeprefix("fuse.") in NETWORK:
        raise ConfigError(
            f"{file} is on a network file system ({kind}), where SQLite loses data: use a file on a"
            " local disk, or a server (redis, rabbitmq, kafka) for several machines"
        )
    if os.path.isdir(file):
        raise ConfigError(f"{file} is a folder: name a file in it in url")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise AccessDenied(f"{file}: its folder cannot be written: give this user write access")
    if os.path.exists(file):
        _check_file(file)


def identity(file: str) -> tuple[int, int] | None:
    """Which file that is, told apart from one moved to its place; None if there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def file_system(folder: str, mounts: str = "/proc/self/mounts") -> str:
    """The type of the file system that a folder is on; "" where the system does not tell."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of several on one point, the last one counts
            best, kind = point, fields[2]
    return kind


def _check_file(file: str) -> None:
    # Never opened here: closing a file ends the locks that SQLite has on it in this process.
    if not os.access(file, os.R_OK | os.W_OK):
        raise AccessDenied(f"{file} cannot be written: give this user write access to it")
