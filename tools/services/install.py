"""Debian packages, installed without starting what is in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.errors import ServiceError
from services.locks import exclusive

__all__ = ["install_packages", "installing", "run_quietly", "tail"]

_APT_LIMIT_S = 900
_DPKG_LOCK_S = 300
"""How long apt waits for another apt or dpkg to finish."""
_TAIL_LINES = 12
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_POLICY = Path("/usr/sbin/policy-rc.d")
_DENY = (
    "#!/bin/sh\n# Written by anymq's tools/services while it installs; removed after.\nexit 101\n"
)


@contextmanager
def installing(root: Path) -> Iterator[None]:
    """Hold the lock that lets one installation run at a time."""
    with exclusive(root / "install.lock", wait_s=_APT_LIMIT_S):
        yield


def install_packages(packages: Sequence[str], tell: Callable[[str], None]) -> None:
    """Install Debian packages; what they would start stays stopped.

    Raises:
        ServiceError: apt is not here, we are not root, or the packages cannot be fetched.
    """
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise ServiceError(f"cannot install {wanted}: no apt-get here, install it by other means")
    if os.geteuid() != 0:
        raise ServiceError(f"cannot install {wanted}: needs root; `sudo apt-get install {wanted}`")
    tell(f"installing Debian package {wanted}")
    with _nothing_starts():
        if _apt("install", *packages).returncode == 0:
            return
        tell(f"updating the lists of packages, for {wanted}")
        _apt("update")  # no package lists yet, or ones too old: try once more with fresh ones
        done = _apt("install", *packages)
    if done.returncode != 0:
        raise ServiceError(f"cannot fetch Debian package {wanted}", details=tail(done.stdout))


def run_quietly(
    argv: Sequence[str],
    *,
    limit_s: float,
    environ: Mapping[str, str] | None = None,
    text: str = "",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; stderr is in stdout, `text` is its input.

    Raises:
        ServiceError: it cannot be started, or takes longer than `limit_s` seconds.
    """
    try:
        return subprocess.run(
            list(argv),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_s,
            env=environ,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ServiceError(f"{argv[0]} did not end within {limit_s:.0f} s") from exc
    except OSError as exc:
        raise ServiceError(f"{argv[0]} cannot be run: {exc.strerror}") from exc


def tail(text: str, *, lines: int = _TAIL_LINES) -> list[str]:
    """Return the last lines that say something, without colours, oldest first."""
    plain = _COLOUR.sub("", text).splitlines()
    return [line.rstrip() for line in plain if line.strip() not in {"", "[ERROR]"}][-lines:]


def _apt(verb: str, *packages: str) -> subprocess.CompletedProcess[str]:
    argv = ["apt-get", "-y", "-q", "-o", f"DPkg::Lock::Timeout={_DPKG_LOCK_S}"]
    if verb == "install":
        argv.append("--no-install-recommends")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return run_quietly([*argv, verb, *packages], limit_s=_APT_LIMIT_S, environ=environ)


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Forbid service starts during an installation, unless the machine has a policy already."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_DENY, encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
