"""Waking other processes: a datagram socket for each, in a folder beside the file.

A hint and nothing more: whoever misses a ring sees the change at its next look at the file.
"""

from __future__ import annotations

import os
import socket
from uuid import uuid4

__all__ = ["Bell"]

SUFFIX = ".wake"
BUFFERED = 4096


class Bell:
    """This process's socket, and the way to all others. For one thread."""

    def __init__(self, file: str) -> None:
        self._folder = f"{file}{SUFFIX}"
        self._name = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._socket: socket.socket | None = None
        self._descriptor = -1
        self._others: tuple[str, ...] = ()
        self._listed_at = 0

    @property
    def socket(self) -> socket.socket | None:
        """Readable when another process rang; None where there can be no bell."""
        return self._socket

    def open(self) -> None:
        """Begin to listen; where sockets or the folder cannot be had, be without a bell."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        is_done = False
        try:
            os.makedirs(self._folder, mode=0o777, exist_ok=True)
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            made.setblocking(False)
            made.bind(self._address(self._name))
            is_done = True
        except OSError:
            self._close_folder()
            return
        finally:
            if not is_done:
                made.close()
        self._socket = made

    def ring(self) -> None:
        """Tell all others that there is something new. Never blocks, never raises."""
        if self._socket is None:
            return
        for name in self._peers():
            try:
                self._socket.sendto(b"!", self._address(name))
            except (BlockingIOError, FileNotFoundError):
                continue  # it has rings enough, or has just left
            except ConnectionRefusedError:
                self._remove(name)  # left behind by a killed process
            except OSError:
                continue

    def hear(self) -> None:
        """Take the rings that came."""
        if self._socket is None:
            return
        try:
            for _ in range(BUFFERED):
                self._socket.recv(16)
        except OSError:
            return

    def close(self) -> None:
        """Leave; the last one takes the folder away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._remove(self._name)
            try:
                os.rmdir(self._folder)
            except OSError:
                pass
        self._close_folder()

    def _peers(self) -> tuple[str, ...]:
        try:
            changed = os.fstat(self._descriptor).st_mtime_ns
            if changed != self._listed_at:
                names = os.listdir(self._descriptor)
                self._others = tuple(name for name in names if name != self._name)
                self._listed_at = changed
        except OSError:
            self._others = ()
        return self._others

    def _address(self, name: str) -> str:
        # Through the descriptor, because a socket's path may have a hundred characters only.
        if os.path.isdir("/proc/self/fd"):
            return f"/proc/self/fd/{self._descriptor}/{name}"
        return os.path.join(self._folder, name)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(os.path.join(self._folder, name))
        except OSError:
            pass

    def _close_folder(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
