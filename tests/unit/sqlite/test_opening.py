"""Opening: what cannot be used is refused with the file's name and a remedy, never made anew."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from anymq.capabilities import Durability
from anymq.errors import AnyMQError, BackendUnavailable, ConfigError, InvalidState
from anymq_sqlite import schema
from anymq_sqlite.capabilities import capabilities_of
from anymq_sqlite.connection import connect
from anymq_sqlite.location import check_location, file_system
from anymq_sqlite.options import SqliteOptions
from tests.unit.sqlite.bench import Bench


async def _refused(bench: Bench, error: type[AnyMQError], *words: str) -> str:
    with pytest.raises(error) as caught:
        await bench.broker()
    text = str(caught.value)
    for word in (str(bench.file), *words):
        assert word in text
    return text


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """Transient, because it may be a disk that is not mounted yet; nothing is made."""
    bench = Bench(tmp_path / "nowhere" / "x.db")

    await _refused(bench, BackendUnavailable, "make", "nowhere")

    assert not (tmp_path / "nowhere").exists()
    await bench.aclose()


async def test_what_is_no_database_is_left_as_it_is(bench: Bench) -> None:
    """Fatal, and not a byte changes."""
    bench.file.write_bytes(b"this is a letter, not a database" * 200)
    before = bench.file.read_bytes()

    await _refused(bench, ConfigError, "no database", "restore")

    assert bench.file.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "cut by five bytes", "a byte", "overwritten"])
async def test_a_damaged_file_is_refused(bench: Bench, damage: str) -> None:
    """F47: refused by name, with a copy kept aside as it was found; made anew is nothing."""
    broker = await bench.ready()
    await bench.send(broker, *[bench.message(b"x" * 500) for _ in range(200)])
    await broker.aclose(timeout_s=5)
    whole = bench.file.read_bytes()
    found = _damaged(whole, damage)
    bench.file.write_bytes(found)

    said = await _refused(bench, ConfigError, "damaged", "a copy", ".recover")
    again = await _refused(bench, ConfigError, "damaged")

    (copy,) = [path for path in bench.file.parent.iterdir() if ".damaged-" in path.name]
    assert again == said
    assert str(copy) in said
    assert copy.read_bytes() == found
    assert bench.file.read_bytes() == found


async def test_a_damaged_file_is_copied_with_its_log(bench: Bench, tmp_path: Path) -> None:
    """F47: what a killed process left in the log is in the copy, though closing folds it in."""
    first = await bench.ready()
    await bench.send(first, *[bench.message(b"x" * 3000) for _ in range(20)])
    await first.aclose(timeout_s=5)
    await bench.send(await bench.broker(), bench.message(b"y"))
    log = _bytes(bench.file, "-wal")
    damaged = _damaged(bench.file.read_bytes(), "overwritten")
    crashed = Bench(tmp_path / "crashed.db")
    crashed.file.write_bytes(damaged)
    crashed.file.with_name("crashed.db-wal").write_bytes(log)

    said = await _refused(crashed, ConfigError, "damaged", "a copy")

    copy = Path(said.partition("found is ")[2].partition(";")[0])
    assert (_bytes(copy, ""), _bytes(copy, "-wal")) == (damaged, log)


async def test_a_damaged_file_that_cannot_be_copied(tmp_path: Path) -> None:
    """F47: the error tells to copy it by hand; here, because the copy's name is too long."""
    bench = Bench(tmp_path / ("x" * 240))
    broker = await bench.ready()
    await broker.aclose(timeout_s=5)
    bench.file.write_bytes(_damaged(bench.file.read_bytes(), "overwritten"))

    await _refused(bench, ConfigError, "damaged", "copy it aside")


def _damaged(whole: bytes, how: str) -> bytes:
    page = 4096
    return {
        "cut": whole[: len(whole) // 2 + 5],
        "cut by five bytes": whole[:-5],
        "a byte": whole[: 2 * page] + bytes([whole[2 * page] ^ 0xFF]) + whole[2 * page + 1 :],
        "overwritten": whole[: 2 * page] + b"\xff" * (len(whole) - 2 * page),
    }[how]


def _bytes(file: Path, suffix: str) -> bytes:
    return file.with_name(file.name + suffix).read_bytes()


async def test_a_newer_schema_is_refused(bench: Bench) -> None:
    """Both versions are told."""
    broker = await bench.ready()
    await broker.aclose(timeout_s=5)
    bench.query("UPDATE meta SET value = 99 WHERE name = 'schema'")

    await _refused(bench, ConfigError, "schema 99", f"knows {schema.VERSION}", "upgrade")


async def test_the_database_of_something_else_is_refused(bench: Bench) -> None:
    """Its tables stay alone."""
    bench.query("CREATE TABLE customers (name TEXT)")

    await _refused(bench, ConfigError, "something else")

    assert bench.query("SELECT name FROM sqlite_schema") == [("customers",)]


async def test_an_older_schema_is_upgraded_with_its_messages(bench: Bench) -> None:
    """From version 1; what waits there is delivered."""
    with closing(sqlite3.connect(bench.file, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("BEGIN")
        schema.upgrade(old, str(bench.file), to=1)
        old.execute("INSERT INTO topics VALUES ('t', 1)")
        old.execute("INSERT INTO groups (id, topic, name) VALUES (1, 't', 'g')")
        old.execute("INSERT INTO sources VALUES (1, 't')")
        old.execute("INSERT INTO routes VALUES ('t', 1)")
        old.execute("INSERT INTO queue (gid, topic, id, body) VALUES (1, 't', 'old', x'3131')")
        old.execute("COMMIT")

    broker = await bench.broker()
    (delivery,) = await bench.take(await bench.subscribe(broker), 1)

    assert (delivery.id, delivery.body) == ("old", b"11")
    assert bench.query("SELECT value FROM meta WHERE name = 'schema'") == [(schema.VERSION,)]


async def test_a_folder_in_place_of_the_file_is_refused(bench: Bench) -> None:
    """It says that it is one."""
    bench.file.mkdir()

    await _refused(bench, ConfigError, "is a folder")


def test_network_file_systems_are_refused(tmp_path: Path) -> None:
    """By the type of the mount that holds the folder; the innermost mount counts."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n")

    assert file_system(str(tmp_path / "in"), str(mounts)) == "nfs4"
    assert file_system("/somewhere/else", str(mounts)) == "ext4"
    assert file_system("/", str(tmp_path / "none")) == ""
    with pytest.raises(ConfigError, match=r"network file system \(nfs4\).*local disk"):
        check_location(str(tmp_path / "x.db"), str(mounts))


@pytest.mark.parametrize(
    "given",
    [{"host": "h"}, {"password": "p"}, {"username": "u"}, {"port": 1}, {"path": ":memory:"}],
)
def test_a_url_names_a_file_and_nothing_else(given: dict[str, object]) -> None:
    """A password would guard nothing."""
    with pytest.raises(ValidationError, match=r"sqlite takes only a file|is no file"):
        SqliteOptions.model_validate(given)


async def test_many_open_a_new_file_at_once(file: Path) -> None:
    """In threads of their own, as processes do: one makes the schema, nobody sees a lock."""

    def once() -> int:
        with closing(connect(str(file), limit_s=5.0)) as connection:
            (version,) = connection.execute(
                "SELECT value FROM meta WHERE name = 'schema'"
            ).fetchone()
            return int(version)

    found = await asyncio.gather(*(asyncio.to_thread(once) for _ in range(6)))

    assert found == [schema.VERSION] * 6


async def test_the_file_is_durable_and_says_so(bench: Bench) -> None:
    """WAL, FULL, and os_crash in the capabilities."""
    broker = await bench.broker()
    claimed = capabilities_of(bench.options())

    assert claimed.durability is Durability.OS_CRASH
    assert bench.query("PRAGMA journal_mode") == [("wal",)]
    assert bench.query("PRAGMA auto_vacuum") == [(2,)]
    health = await broker.health()
    assert (health.status, health.facts["members"]) == ("up", "0")
    with pytest.raises(InvalidState, match="open already"):
        await broker.open(bench.events.append)


async def test_a_forked_process_must_open_its_own(bench: Bench) -> None:
    """The parent's connection is refused there, and still works here."""
    broker = await bench.ready()
    reader, writer = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            broker.management().topics().send(None)
        except InvalidState as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    await asyncio.to_thread(os.waitpid, child, 0)
    os.close(writer)
    said = os.read(reader, 1000)
    os.close(reader)

    assert b"forked" in said
    assert [topic.name for topic in await broker.management().topics()] == ["t"]
