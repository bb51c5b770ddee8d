"""All connections through a proxy, and the ways to break them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.errors import UsageError
from services.proxy_faults import Faults
from services.proxy_link import Link, Stream, reset

__all__ = ["UNITS", "VERBS", "Proxy"]

_CONNECT_LIMIT_S = 5.0
UNITS = {"delay": "SECONDS", "throttle": "BYTES", "slice": "BYTES", "truncate": "BYTES"}
"""What the number of a verb means; the others take none."""

VERBS = {
    "cut": "reset every connection once (RST)",
    "close": "end every connection once, in order (FIN), as a server does that shuts down",
    "refuse": "reset every connection, and each new one, until heal",
    "delay": "deliver so many SECONDS later, in each direction, until heal",
    "throttle": "pass so many BYTES a second in each direction, until heal",
    "slice": "write no more than so many BYTES at once, until heal",
    "truncate": "pass so many BYTES more of the replies, then reset; until heal",
    "drop-replies": "throw away what the server says, until heal",
    "blackhole": "let nothing pass, either way; heal delivers what was held",
    "half-open": "the server forgets all connections, their clients hear nothing until heal",
    "heal": "stop all faults; connections that lost bytes are reset",
    "stats": "print the counts of connections as JSON",
}
"""What a proxy can be told to do, and what that means."""


@dataclass(slots=True)
class Proxy:
    """All connections through one proxy."""

    upstream_port: int
    faults: Faults = field(default_factory=Faults)
    links: set[Link] = field(default_factory=set)
    accepted: int = 0
    """Connections of clients since the start, refused ones included."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until its connection ends."""
        self.accepted += 1
        await self.faults.flowing.wait()
        if self.faults.refuses:
            reset(writer)
            return
        try:
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                upstream = Stream(*await asyncio.open_connection("127.0.0.1", self.upstream_port))
        except OSError:  # no server there, or none that answers in time
            reset(writer)
            return
        link = Link(Stream(reader, writer), upstream, lambda: self.faults)
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)

    def order(self, verb: str, value: float | None) -> dict[str, int]:
        """Do what a verb says and return the counts of connections.

        Raises:
            UsageError: there is no such verb, or its value is missing or negative.
        """
        if verb not in VERBS:
            raise UsageError(f"the proxy cannot {verb}")
        number = 0.0 if value is None else value
        if number < 0 or (value is None and verb in UNITS):
            raise UsageError(f"{verb} needs a number that is not negative")
        if verb in {"cut", "refuse"}:
            self._reset_where(lambda link: True)
        if verb == "close":
            for link in self.links:
                link.close()
        if verb == "half-open":
            for link in self.links:
                link.go_half_open()
        if verb == "heal":
            self._heal()
        self._set(verb, number)
        return {"links": len(self.links), "accepted": self.accepted}

    def _set(self, verb: str, number: float) -> None:
        match verb:
            case "refuse":
                self.faults.refuses = True
            case "delay":
                self.faults.delay_s = number
            case "throttle":
                self.faults.bytes_per_s = number
            case "slice":
                self.faults.slice_bytes = int(number)
            case "truncate":
                self.faults.reply_budget = int(number)
            case "drop-replies":
                self.faults.drops_replies = True
            case "blackhole":
                self.faults.flowing.clear()

    def _heal(self) -> None:
        self.faults.flowing.set()
        self.faults = Faults()
        self._reset_where(lambda link: link.is_half_open or link.has_lost)

    def _reset_where(self, is_meant: Callable[[Link], bool]) -> None:
        for link in [link for link in self.links if is_meant(link)]:
            link.reset()
