"""Moving what is due while a member waits for the server.

The wait itself cannot be cut to the due moment: an idle server looks at its blocked clients ten
times a second only. So somebody else moves, over another connection, and that ends the wait.
"""

from __future__ import annotations

import asyncio

from anymq.errors import AnyMQError
from anymq_redis.link import Link
from anymq_redis.upkeep import Upkeep
from anymq_redis.waiting import is_set_within

__all__ = ["Mover"]

CALL_S = 1.0
"""No longer may a look hold up a receive that has got something."""


class Mover:
    """Looks when something is due, and often enough to see what was sent meanwhile."""

    def __init__(self, link: Link, upkeep: Upkeep) -> None:
        self._link = link
        self._upkeep = upkeep

    async def run(self, until: asyncio.Event) -> None:
        """Move until the event; give up, without a word, when the server cannot be reached.

        The event is looked at between two exchanges: cancelling one would drop the connection.
        """
        loop = asyncio.get_running_loop()
        try:
            while not await is_set_within(until, self._upkeep.rest_s(loop.time())):
                commands = self._upkeep.move(loop.time())
                self._upkeep.moved(await self._link.run(commands, timeout_s=CALL_S))
        except AnyMQError:
            pass  # whoever waits for the same server learns of it, and tells
