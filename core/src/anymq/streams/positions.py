"""Where a group is in each partition of a stream, as the backend keeps it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from anymq.abc.stream import After, Latest, Start
from anymq.streams.progress import Progress

if TYPE_CHECKING:
    from anymq.runtime.stream_role import StreamRole

__all__ = ["GroupPositions"]


class GroupPositions:
    """Stores and finds positions, one for each partition.

    A position covers all partitions, so each partition's stands under a name of its own, of which
    that partition's part alone counts.
    """

    def __init__(self, role: StreamRole, stream: str, group: str) -> None:
        self._role = role
        self._stream = stream
        self._group = group
        self._storing = asyncio.Lock()

    async def start(self, partition: int, default: Start) -> Start:
        """Where to go on in a partition. Raises BackendUnavailable, TopologyError."""
        stream = await self._role.ready(self._stream)
        key = self._key(partition)
        position = await stream.committed(self._stream, key)
        if position is None and isinstance(default, Latest):
            # Pinned: whoever takes over before the first commit goes on from here.
            position = await stream.ends(self._stream)
            await stream.commit(self._stream, key, position)
        return default if position is None else After(position)

    async def store(self, progress: Progress) -> None:
        """Store how far a partition has come, if it has. Raises BackendUnavailable."""
        async with self._storing:
            position = progress.to_store
            if position is None:
                return
            stream = await self._role.ready(self._stream)
            await stream.commit(self._stream, self._key(progress.partition), position)
            progress.stored(position)

    def _key(self, partition: int) -> str:
        """No group's name has a '#'."""
        is_alone = self._role.partitions(self._stream) == 1
        return self._group if is_alone else f"{self._group}#{partition}"
