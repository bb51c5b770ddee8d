"""Java and Maven from Debian's packages, where the machine has none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from services.errors import ServiceError
from services.install import install_packages, run_quietly

__all__ = ["ensure_java", "ensure_maven", "find_java"]

_OLDEST = 17
"""What Kafka 4 needs."""
_PACKAGE = "openjdk-17-jre-headless"


def find_java() -> str | None:
    """Return the path of a Java that is new enough, or None."""
    candidates = [shutil.which("java")]
    if home := os.environ.get("JAVA_HOME"):
        candidates.insert(0, str(Path(home) / "bin" / "java"))
    candidates += sorted(map(str, Path("/usr/lib/jvm").glob("*/bin/java")), reverse=True)
    return next((java for java in candidates if java and _version(java) >= _OLDEST), None)


def ensure_java(tell: Callable[[str], None]) -> str:
    """Return the path of a Java that is new enough, installed if need be."""
    if (java := find_java()) is not None:
        return java
    install_packages([_PACKAGE], tell)
    if (java := find_java()) is None:
        raise ServiceError(f"no Java {_OLDEST} even after installing {_PACKAGE}")
    return java


def ensure_maven(tell: Callable[[str], None]) -> str:
    """Return the path of mvn, installed if need be."""
    if shutil.which("mvn") is None:
        install_packages(["maven"], tell)
    if (maven := shutil.which("mvn")) is None:
        raise ServiceError("no mvn even after installing Debian package maven")
    return maven


def _version(java: str) -> int:
    """Return the feature version of a Java; 0 when it does not say."""
    try:
        said = run_quietly([java, "-version"], limit_s=20).stdout
    except ServiceError:
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0
