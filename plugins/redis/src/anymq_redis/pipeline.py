"""Pipeline: commands of concurrent callers ride in one round trip."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.errors import BackendUnavailable
from anymq_redis.errors import translate
from anymq_redis.link import Command, Link
from anymq_redis.options import RedisOptions

__all__ = ["Pipeline"]


class Pipeline:
    """While one round trip is under way, the next one fills."""

    def __init__(self, link: Link, options: RedisOptions) -> None:
        self._link = link
        self._options = options
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        # Guards the turn: whoever has it takes everything that waits.
        self._turn = asyncio.Lock()

    async def do(self, command: Command) -> Any:
        """The reply. Raises what it says, translated, and what ``Link.run`` raises."""
        (reply,) = await self.do_all([command])
        return reply

    async def do_all(self, commands: list[Command]) -> list[Any]:
        """The replies, in order; raises as ``do``, for the first that failed."""
        loop = asyncio.get_running_loop()
        mine = [(command, loop.create_future()) for command in commands]
        self._waiting += mine
        try:
            async with self._turn:
                if not all(future.done() for _, future in mine):
                    await self._run()
            return [future.result() for _, future in mine]
        finally:
            for _, future in mine:
                future.cancel()  # of somebody who waits no more; nothing, once it is done

    async def _run(self) -> None:
        batch, self._waiting = self._waiting, []
        failure: Exception = BackendUnavailable("the call that carried this one was cancelled")
        replies: list[Any] = []
        try:
            commands = [command for command, _ in batch]
            timeout_s = self._options.request_timeout_s
            replies = await self._link.run(commands, timeout_s=timeout_s)
        except BackendUnavailable as error:
            failure = error
        finally:
            for index, (_, future) in enumerate(batch):
                self._settle(future, replies[index] if replies else failure)

    def _settle(self, future: asyncio.Future[Any], reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(translate(reply, self._options.address))
        else:
            future.set_result(reply)
