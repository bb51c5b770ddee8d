"""The command line: ``anymq``. Everything but this function is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``anymq`` with these arguments (None: those of the process); returns the exit code.

    0 is success, 1 a failure, 2 a mistake in the command, the configuration or a plugin.
    """
    from anymq.cli.main import run

    return run(arguments)
