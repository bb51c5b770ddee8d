"""Measurements in child processes: one at a time, or a receiver and a sender at once."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample
from benchmarks.pace import READY

__all__ = ["measure", "run", "run_pair"]

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 400
START_S = 60


async def run(target: str, **arguments: Any) -> dict[str, float]:
    """Call ``module:function`` of this package in a child; what it measured.

    Raises RuntimeError with the last words of a child that failed.
    """
    async with _child(target, arguments) as process:
        return await _result(target, process)


async def measure(target: str, **arguments: Any) -> Sample:
    """The same, of a function that reports a rate."""
    said = await run(target, **arguments)
    return Sample(said["rate"], said["cpu_us"], said["memory_mb"])


async def run_pair(
    receiver: str, sender: str, receiving: dict[str, Any], sending: dict[str, Any]
) -> dict[str, float]:
    """Start the sender once the receiver is ready; what the receiver measured."""
    async with _child(receiver, receiving) as receives:
        assert receives.stdout is not None
        async with asyncio.timeout(START_S):
            first = (await receives.stdout.readline()).decode().strip()
        if first != READY:
            await _result(receiver, receives)  # which tells why
        await run(sender, **sending)
        return await _result(receiver, receives)


@asynccontextmanager
async def _child(target: str, arguments: dict[str, Any]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.child"),
        *(f"benchmarks.{target}", json.dumps(arguments)),
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _result(target: str, process: Process) -> dict[str, float]:
    async with asyncio.timeout(LIMIT_S):
        told, wrong = await process.communicate()
    if process.returncode:
        words = wrong.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{target} failed: {' | '.join(words[-3:])}")
    result: dict[str, float] = json.loads(told.decode().strip().splitlines()[-1])
    return result
