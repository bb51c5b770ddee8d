"""Memory stays flat over a million messages."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from uuid import uuid4

import pytest

pytestmark = [pytest.mark.long, pytest.mark.exclusive]
ROOT = Path(__file__).parents[2]
COUNT = 1_000_000
STEPS = 10
WARM = 2
"""Steps after which whatever is kept on purpose is full: windows, caches, pools."""
SLACK_MB = 4.0
"""What an allocator may hold on to; a leak of ten bytes a message is twice as much."""
LIMIT_S = 1500


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("memory", id="memory"),
        *(
            pytest.param(name, marks=pytest.mark.server(name), id=name)
            for name in ("redis", "rabbitmq", "kafka")
        ),
    ],
)
@pytest.mark.timeout(LIMIT_S + 60)
async def test_a_million_messages_leave_no_memory(backend: str) -> None:
    """Published and consumed by one process."""
    url = os.environ.get(f"ANYMQ_TEST_{backend.upper()}_URL", "memory://flow")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.flow_process"),
        *(url, f"flow-{uuid4().hex[:8]}", str(COUNT), str(STEPS)),
        cwd=ROOT,
        stdout=PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    steps = [json.loads(line) for line in said.splitlines()]
    resident = [step["resident_mb"] for step in steps]
    print(f"{backend}: {resident} MB")
    assert process.returncode == 0
    assert [step["handled"] for step in steps] == [COUNT // STEPS * n for n in range(1, STEPS + 1)]
    assert max(resident[WARM:]) <= resident[WARM - 1] + SLACK_MB
