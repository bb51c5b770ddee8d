"""Fail on an option of tox.ini that tox does not know, which tox itself passes over in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["main", "unknown_options"]

TIMEOUT_S = 120


def unknown_options(config: Path) -> list[str]:
    """Return one line per section with unknown options, in tox's order; empty if all are known."""
    matrix = f"py{sys.version_info.major}{sys.version_info.minor}-memory"
    environments = f"lint,types,package,bench,{matrix}"  # together they use every section
    shown = subprocess.run(
        [sys.executable, "-m", "tox", "config", "--core", "-c", str(config), "-e", environments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout
    section, found = "", list[str]()
    for line in shown.splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("# !!! unused:"):
            found.append(f"{section} {line.removeprefix('# !!! unused:').strip()}")
    return found


def main() -> int:
    """Check the file named on the command line, or ./tox.ini; return the exit status."""
    config = Path(sys.argv[1] if len(sys.argv) > 1 else "tox.ini")
    unknown = unknown_options(config)
    for line in unknown:
        print(f"{config}: tox does not know: {line}")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
