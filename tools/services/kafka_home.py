"""Apache Kafka's jars, fetched with Maven into the cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from services.errors import ServiceError
from services.install import run_quietly, tail
from services.java import ensure_maven
from services.settings import Settings

__all__ = ["VERSIONS", "download", "jars"]

VERSIONS = ("4.3.1", "4.2.1", "4.1.1", "4.0.0")
"""Tried in this order; `ANYMQ_SERVICES_KAFKA_VERSION` names another one instead."""

_LIMIT_S = 600
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"

# The broker brings Log4j without the bridge from SLF4J, through which it logs.
_BRIDGE = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")

_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>anymq</groupId><artifactId>kafka-home</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)


def jars(settings: Settings) -> Path | None:
    """Return the folder of the newest version in the cache, or None."""
    folders = (settings.cache / f"kafka-{version}" for version in _wanted(settings))
    return next((folder for folder in folders if folder.is_dir()), None)


def download(settings: Settings, tell: Callable[[str], None]) -> Path:
    """Fetch the newest version that can be had, with all it needs at run time, and return it.

    Raises:
        ServiceError: none can be had; its details are what Maven said of the first one.
    """
    maven = ensure_maven(tell)
    first: ServiceError | None = None
    for version in _wanted(settings):
        tell(f"fetching Kafka {version} with Maven (some 60 MB the first time)")
        try:
            return _fetch(maven, version, settings.cache)
        except ServiceError as exc:
            first = first or exc
    raise first or ServiceError("no Kafka version to fetch")


def _wanted(settings: Settings) -> tuple[str, ...]:
    chosen = settings.environ.get("ANYMQ_SERVICES_KAFKA_VERSION")
    return (chosen,) if chosen else VERSIONS


def _fetch(maven: str, version: str, cache: Path) -> Path:
    """Fill a folder aside and put it in place whole, so that a broken download leaves nothing."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"kafka-{version}-", dir=cache) as draft:
        (Path(draft) / "pom.xml").write_text(_pom(version), encoding="utf-8")
        argv = [maven, "-B", "-q", "-Dstyle.color=never", f"{_PLUGIN}:copy-dependencies"]
        argv += ["-DincludeScope=runtime", "-DoutputDirectory=lib"]
        done = run_quietly(argv, limit_s=_LIMIT_S, environ=os.environ, cwd=Path(draft))
        lib = Path(draft) / "lib"
        if done.returncode != 0 or not (lib / f"kafka_2.13-{version}.jar").exists():
            wanted = f"cannot fetch Maven artifact org.apache.kafka:kafka_2.13:{version}"
            raise ServiceError(wanted, details=tail(done.stdout))
        target = cache / f"kafka-{version}"
        shutil.rmtree(target, ignore_errors=True)
        return lib.rename(target)


def _pom(version: str) -> str:
    kafka = [("org.apache.kafka", name, version) for name in ("kafka_2.13", "kafka-tools")]
    return _POM.format(dependencies="".join(_DEPENDENCY.format(*d) for d in [*kafka, _BRIDGE]))
