"""``python -m benchmarks.child MODULE:FUNCTION ARGUMENTS``: one measurement in its own process.

ARGUMENTS is a JSON object; the function's result is printed as one line of JSON, together with the
processor time and the memory of this process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import json
import resource
import sys

__all__: list[str] = []


def main(target: str, arguments: str) -> None:
    """Call the function, a coroutine function or a plain one."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    given = json.loads(arguments)
    gc.collect()
    gc.freeze()  # so that a client with many modules does not pay for them at each collection
    if inspect.iscoroutinefunction(function):
        result = asyncio.run(function(**given))
    else:
        result = function(**given)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**(result or {}), "memory_mb": memory}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
