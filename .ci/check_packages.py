"""Build every distribution and install it from its wheel, with nothing of the workspace at hand.

Takes a folder for what it makes. Each distribution gets an environment of its own, so that one
that leans on another's dependencies is found out.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600
UV = (sys.executable, "-m", "uv")


def run(*command: object, cwd: Path) -> None:
    """Run a command; its failure ends the check."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, timeout=TIMEOUT_S)


def distributions() -> list[Path]:
    """Return the folders of the distributions, in the order of the workspace."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    return [folder for member in workspace["members"] for folder in sorted(ROOT.glob(member))]


def check(source: Path, *, scratch: Path) -> None:
    """Build one distribution, look into its wheel, install it and import its package."""
    name = tomllib.loads((source / "pyproject.toml").read_text())["project"]["name"]
    package = name.replace("-", "_")
    wheels = scratch / "dist"
    run(*UV, "build", "--quiet", "--out-dir", wheels, source, cwd=ROOT)
    (wheel,) = wheels.glob(f"{package}-*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    if f"{package}/py.typed" not in inside or not any(n.endswith("/LICENSE") for n in inside):
        sys.exit(f"{wheel.name}: no py.typed or no LICENSE inside")
    venv = scratch / package
    run(*UV, "venv", "--quiet", "--clear", "--python", sys.executable, venv, cwd=scratch)
    python = venv / "bin" / "python"
    install = (*UV, "pip", "install", "--quiet", "--python", python, "--find-links", wheels)
    run(*install, "--constraint", ROOT / "requirements.lock", wheel, cwd=scratch)
    run(python, "-c", f"import {package}", cwd=scratch)


def main() -> int:
    """Check them all; return the exit status."""
    scratch = Path(sys.argv[1]).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    for source in distributions():
        check(source, scratch=scratch)
        print(f"{source.relative_to(ROOT)}: builds, installs and imports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
