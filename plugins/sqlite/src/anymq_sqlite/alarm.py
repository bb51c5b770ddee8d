"""What wakes the writer's thread: its own process by a pipe, others by their bell."""

from __future__ import annotations

import os
import select

from anymq_sqlite.bell import Bell

__all__ = ["Alarm"]


class Alarm:
    """Set from any thread; waited for in one."""

    def __init__(self) -> None:
        self._pipe = os.pipe()
        for descriptor in self._pipe:
            os.set_blocking(descriptor, False)

    def set(self) -> None:
        """End the wait that is going on, or the next one."""
        os.write(self._pipe[1], b"!")

    def wait(self, bell: Bell, limit_s: float) -> None:
        """Until it is set, another process rings, or the time (seconds) is over."""
        rung = bell.socket
        poll = select.poll()
        poll.register(self._pipe[0], select.POLLIN)
        if rung is not None:
            poll.register(rung, select.POLLIN)
        found = [descriptor for descriptor, _ in poll.poll(limit_s * 1000)]
        if self._pipe[0] in found:
            os.read(self._pipe[0], 4096)
        if rung is not None and rung.fileno() in found:
            bell.hear()

    def close(self) -> None:
        """Nobody may set it any more."""
        for descriptor in self._pipe:
            os.close(descriptor)
