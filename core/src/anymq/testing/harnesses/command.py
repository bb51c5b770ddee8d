"""A harness for servers: breaks them by the command in ``ANYMQ_TEST_<NAME>_CONTROL``."""

from __future__ import annotations

import asyncio
import os
import shlex

from anymq.errors import UnsupportedError
from anymq.testing.harness import Disruption, Harness

__all__ = ["CommandHarness"]

LIMIT_S = 120.0


class CommandHarness(Harness):
    """Appends kill, pause, resume, restart, wipe, cut, delay, blackhole, half-open or heal."""

    async def disrupt(self, how: Disruption) -> None:
        variable = f"ANYMQ_TEST_{self.backend.upper()}_CONTROL"
        command = os.environ.get(variable)
        if not command:
            raise UnsupportedError(f"{variable} is not set: the kit cannot {how} the server")
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            how,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
        if process.returncode:
            text = output.decode(errors="replace").strip()[-500:]
            raise RuntimeError(f"{variable} {how} ended with {process.returncode}: {text}")
