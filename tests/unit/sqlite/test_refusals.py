"""What a newcomer reads when the file cannot be used: its name, what is wrong, what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anymq import App
from anymq.errors import AnyMQError
from anymq_sqlite.connection import connect
from tests.unit.sqlite.bench import Bench

NOBODY = 65534
LIMIT_S = 30.0


async def _spoil(file: Path, how: str) -> None:
    bench = Bench(file)
    if how in ("newer", "damaged"):
        await bench.ready()
        await bench.aclose()
    if how == "letter":
        bench.file.write_bytes(b"this is a letter, not a database" * 200)
    elif how == "folder":
        bench.file.mkdir()
    elif how == "foreign":
        bench.query("CREATE TABLE customers (name TEXT)")
    elif how == "newer":
        bench.query("UPDATE meta SET value = 99 WHERE name = 'schema'")
    else:
        whole = bench.file.read_bytes()
        bench.file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))


REFUSALS = {
    "letter": ("no database", "restore it from a backup"),
    "folder": ("is a folder", "name a file in it"),
    "foreign": ("the database of something else", "name a file of its own"),
    "newer": ("schema 99", "upgrade anymq-sqlite"),
    "damaged": ("is damaged", "a copy as it was found is"),
}


@pytest.mark.parametrize("how", REFUSALS)
async def test_an_application_does_not_start(tmp_path: Path, how: str) -> None:
    """At once, with one error that names the file."""
    file = tmp_path / "x.db"
    await _spoil(file, how)
    app = App(f"sqlite:///{file}")

    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(AnyMQError) as caught:
            await app.start()

    for words in (str(file), *REFUSALS[how]):
        assert words in str(caught.value)


@pytest.mark.parametrize("how", ["newer", "damaged"])
async def test_the_command_line_says_it_in_one_line(tmp_path: Path, how: str) -> None:
    """Without a traceback, and its status is not 0."""
    file = tmp_path / "x.db"
    await _spoil(file, how)
    command = [sys.executable, "-m", "anymq.cli", "publish", "orders", "{}"]
    url = {**os.environ, "ANYMQ_URL": f"sqlite:///{file}"}

    done = await asyncio.to_thread(
        subprocess.run, command, env=url, capture_output=True, text=True, timeout=LIMIT_S
    )

    said = (done.stdout + done.stderr).strip()
    assert done.returncode != 0
    assert "Traceback" not in said
    for words in (str(file), *REFUSALS[how]):
        assert words in said


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("what", ["file", "folder", "hidden"])
async def test_without_write_access(what: str) -> None:
    """As another user: the file, its folder, or where it lies may not be written."""
    with _open_folder() as folder:
        file = folder / "x.db"
        bench = Bench(file)
        await bench.ready()
        await bench.aclose()
        file.chmod(0o444 if what == "file" else 0o666)
        folder.chmod({"file": 0o777, "folder": 0o555, "hidden": 0o700}[what])

        said = await asyncio.to_thread(_as_nobody, str(file))

    assert str(file) in said
    assert ("give this user" in said) or ("does not exist: make" in said)


@contextmanager
def _open_folder() -> Iterator[Path]:
    """One that everybody reaches, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="anymq-refusals-"))
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def _as_nobody(file: str) -> str:
    """What opening says in a process of a user without rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            connect(file, limit_s=1.0)
        except Exception as error:  # noqa: BLE001 - told to the parent, which judges
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    os.waitpid(child, 0)
    return said
