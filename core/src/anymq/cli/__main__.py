"""``python -m anymq.cli``: the same as ``anymq``, for processes that start another one."""

from __future__ import annotations

import sys

from anymq.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
