"""Install every distribution of the workspace editable into the environment that runs this."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600


def main() -> int:
    """Install them, without dependencies: those come from requirements.lock."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    folders = [path for member in workspace["members"] for path in sorted(ROOT.glob(member))]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--no-deps", "--no-build-isolation", *(f"--editable={path}" for path in folders)]
    return subprocess.run(command, check=False, timeout=TIMEOUT_S).returncode


if __name__ == "__main__":
    sys.exit(main())
