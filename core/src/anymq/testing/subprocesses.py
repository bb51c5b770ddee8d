"""Runs a short Python program apart, for checks of what gets imported."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from anymq.testing.check import CheckFailed

__all__ = ["run_python"]

LIMIT_S = 60.0


async def run_python(code: str, *args: str, environ: Mapping[str, str] | None = None) -> Any:
    """Run the program on this interpreter and import path; what it wrote as JSON on its last line.

    Fails the check with the end of its error output when it ends with another status than 0.
    """
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *args,
        env=variables | dict(environ or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        text = errors.decode(errors="replace").strip()[-600:]
        raise CheckFailed(f"a program apart ended with {process.returncode}: {text}")
    return json.loads(output.decode().strip().splitlines()[-1])
