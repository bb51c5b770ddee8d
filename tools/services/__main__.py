"""Let the folder run as a program: `python3 tools/services up redis`."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a folder, Python puts this folder on the path, and its modules would shadow others'.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from services.cli import main  # noqa: E402  (the path above must be set first)

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
