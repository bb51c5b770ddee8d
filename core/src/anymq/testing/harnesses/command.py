"""A harness for servers: breaks them by the command in ``ANYMQ_TEST_<NAME>_CONTROL``."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Mapping
from typing import ClassVar

from anymq.errors import UnsupportedError
from anymq.testing.harness import Disruption, Harness

__all__ = ["CommandHarness"]

LIMIT_S = 120.0
TO_SERVERS: frozenset[Disruption] = frozenset({"kill", "pause", "resume", "restart", "wipe"})
TO_CONNECTIONS: frozenset[Disruption] = frozenset(
    {"cut", "refuse", "blackhole", "half-open", "heal"}
)


class CommandHarness(Harness):
    """Appends a verb to the command: kill, pause, resume, restart and wipe for the server; cut,
    refuse, blackhole, half-open, heal and stats for the connections, which then must come by a
    proxy that the command rules (``tools/services`` has one).
    """

    killed_by = "process"
    further: ClassVar[frozenset[Disruption]] = frozenset()
    """What a subclass can do by itself: ``delete``, ``revoke``."""

    @property
    def variable(self) -> str:
        """Name of the variable of the environment that has the command."""
        return f"ANYMQ_TEST_{self.backend.upper()}_CONTROL"

    @property
    def can_disrupt(self) -> frozenset[Disruption]:
        if not os.environ.get(self.variable):
            return frozenset()
        return TO_SERVERS | TO_CONNECTIONS | self.further

    @property
    def remedy(self) -> str:
        return f"set {self.variable} to a command that takes the verb, as tools/services prints it"

    async def disrupt(self, how: Disruption) -> None:
        await self._control(how)

    async def connections(self) -> Mapping[str, int]:
        counts = json.loads(await self._control("stats"))
        return {str(name): int(count) for name, count in counts.items()}

    async def _control(self, verb: str) -> str:
        command = os.environ.get(self.variable)
        if not command:
            raise UnsupportedError(f"{self.variable} is not set: the kit cannot {verb} the server")
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            verb,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace").strip()
        if process.returncode:
            raise RuntimeError(
                f"{self.variable} {verb} ended with {process.returncode}: {text[-500:]}"
            )
        return text
