"""One connection to the server: batches of commands go out, their replies come back, in order.

Not the client library's ``Redis`` class: that repeats commands by itself (which doubles messages),
costs a connection per concurrent call, and packs in Python. Its connections do neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hiredis import pack_command
from redis.exceptions import NoScriptError, RedisError, ResponseError

from anymq.errors import BackendUnavailable
from anymq_redis.condition import Condition
from anymq_redis.dialling import dial
from anymq_redis.errors import translate
from anymq_redis.options import RedisOptions
from anymq_redis.scripts import SOURCES

__all__ = ["Argument", "Command", "Greeting", "Link"]

Argument = bytes | str | int | float
Command = tuple[Argument, ...]


class Greeting(Protocol):
    """What must be asked first on every new connection."""

    def ask(self) -> Command: ...

    def hear(self, reply: Any) -> None: ...


class Link:
    """Connects when first used, and again when used after a loss. Calls queue up in order."""

    def __init__(
        self,
        options: RedisOptions,
        condition: Condition,
        *,
        name: str,
        greeting: Greeting | None = None,
        is_reader: bool = False,
    ) -> None:
        self._reader = self if is_reader else None
        self._greeting = greeting
        self._options = options
        self._condition = condition
        self._connection = dial(options, name)
        # Guards the connection: one exchange at a time, first come, first served.
        self._lock = asyncio.Lock()
        self._is_abandoned = False
        self.connections = 0
        """How often it connected."""

    async def call(self, *command: Argument, timeout_s: float) -> Any:
        """Carry out one command. Raises what its reply says, translated."""
        (reply,) = await self.run([command], timeout_s=timeout_s)
        if isinstance(reply, Exception):
            raise translate(reply, self._options.address) from reply
        return reply

    async def run(
        self,
        commands: Sequence[Command],
        *,
        timeout_s: float,
        began: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Carry out commands in one round trip; an error reply stands in its place.

        ``began`` is called when it is their turn: nothing of them was sent before.

        Cancelled or out of time, the connection is dropped: what was sent may have been done.

        Raises: BackendUnavailable, AccessDenied.
        """
        if not commands:
            return []
        if self._is_abandoned:
            raise BackendUnavailable("this connection was abandoned")
        packed = [_pack(command) for command in commands]
        try:
            async with asyncio.timeout(timeout_s), self._lock:
                if began is not None:
                    began()
                replies = await self._exchange(packed)
                lost = [i for i, r in enumerate(replies) if isinstance(r, NoScriptError)]
                if lost:
                    await self._load_scripts()
                    again = await self._exchange([packed[i] for i in lost])
                    for i, reply in zip(lost, again, strict=True):
                        replies[i] = reply
        except TimeoutError as exc:
            reason = f"redis at {self._options.address}: no answer within {timeout_s:.3g} s"
            self._condition.lost(reason, reader=self._reader)
            raise BackendUnavailable(reason) from exc
        except (RedisError, OSError) as exc:
            error = translate(exc, self._options.address)
            self._condition.lost(str(error), reader=self._reader)
            raise error from exc
        self._condition.works(reader=self._reader)
        return replies

    async def aclose(self) -> None:
        """Close the connection at once; it may still be used again."""
        self.rest()
        await self._connection.disconnect(nowait=True)

    def rest(self) -> None:
        """Nobody reads over it for now: that it does not work is nobody's trouble."""
        self._condition.rests(self._reader)

    def abandon(self) -> None:
        """Vanish as a killed process does; never to be used again."""
        self._is_abandoned = True
        self.rest()
        self._connection._close()  # type: ignore[no-untyped-call]  # its only way to close at once

    async def _exchange(self, packed: Sequence[bytes]) -> list[Any]:
        connection = self._connection
        is_done = False
        try:
            if connection.is_connected and await self._is_stale():
                await self._connection.disconnect(nowait=True)
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]
                await self._load_scripts()
                await self._greet()
                self.connections += 1
            await connection.send_packed_command(packed, check_health=False)
            replies = [await self._reply() for _ in packed]
            is_done = True
            return replies
        finally:
            if not is_done:
                await self._connection.disconnect(nowait=True)

    async def _is_stale(self) -> bool:
        """Whatever is there before we asked is an old reply, or the end of the connection."""
        try:
            return bool(await self._connection.can_read())
        except (RedisError, OSError):
            return True

    async def _load_scripts(self) -> None:
        load = [_pack(("SCRIPT", "LOAD", source)) for source in SOURCES.values()]
        await self._connection.send_packed_command(load, check_health=False)
        for reply in [await self._reply() for _ in load]:
            if isinstance(reply, Exception):
                raise reply

    async def _greet(self) -> None:
        if self._greeting is None:
            return
        packed = [_pack(self._greeting.ask())]
        await self._connection.send_packed_command(packed, check_health=False)
        self._greeting.hear(await self._connection.read_response())

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


def _pack(command: Command) -> bytes:
    packed: bytes = pack_command(command)  # type: ignore[arg-type]  # its stub means tuple[T, ...]
    return packed
