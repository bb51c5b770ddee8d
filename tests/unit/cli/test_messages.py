"""Publishing, watching, groups and dead letters from the command line, on the memory backend."""

from __future__ import annotations

import io
import json
import sys
import threading
import time

import pytest

from anymq.memory.space import space_named
from anymq.message import Message
from anymq.urls import parse_url
from tests.unit.cli.conftest import DRIVER, Run, Space
from tests.unit.plugins.conftest import Site


def _dead(number: int, body: bytes = b'{"n": 1}') -> Message:
    return Message(
        "orders",
        body,
        f"m{number}",
        1_700_000_000.0 + number,
        group="billing",
        lane="dead",
        headers={"shop": "north"},
        meta={
            "anymq-death-reason": "ValueError: bad",
            "anymq-death-at": "1700000100.0",
            "anymq-death-attempts": "5",
        },
    )


def test_publish_and_groups(run: Run, space: Space) -> None:
    """The id is printed once the backend has it; the group is one behind."""
    space.declare("billing", "audit")

    result = run("publish", "orders", '{"n": 1}', "--header", "shop=north", "-H", "a=b=c")
    more = run("publish", "orders", "2", "--key", "k", "--delay", "60", "--json")

    assert (result.code, len(result.out.split())) == (0, 1)
    assert json.loads(more.out)["topic"] == "orders"
    groups = json.loads(run("groups", "--json").out)["groups"]
    assert [(g["name"], g["ready"], g["delayed"]) for g in groups] == [
        ("audit", 1, 1),
        ("billing", 1, 1),
    ]
    table = run("groups", "orders").out.splitlines()
    assert table[0].split()[:5] == ["Topic", "Group", "Ready", "In", "flight"]
    assert table[1].split()[:3] == ["orders", "audit", "1"]


def test_publish_from_the_input(run: Run, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads the body; --raw sends anything."""
    space.declare("billing")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x00 not text")))

    assert run("publish", "orders", "-", "--raw").code == 0
    assert run("publish", "orders", "plain words", "--raw").code == 0
    assert json.loads(run("groups", "--json").out)["groups"][0]["ready"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["orders", "hello"], 2, "the body is not JSON: quote a text"),
        (["orders", "1", "--header", "shop"], 2, "--header 'shop' must look like NAME=VALUE"),
        (["orders", "1", "--header", "anymq-id=x"], 1, "reserved"),
        (["nothing", "1"], 1, "'nothing' does not exist"),
    ],
)
def test_publish_refused(
    run: Run, space: Space, arguments: list[str], code: int, says: str
) -> None:
    """A mistake of the command is 2, a refusal of the backend is 1."""
    space.declare("billing")

    result = run("publish", *arguments)

    assert (result.code, result.out) == (code, "")
    assert says in result.err


def test_no_groups(run: Run, space: Space) -> None:
    """An empty backend is not an error; an unknown topic is."""
    assert run("groups").out == "There is no group.\n"
    assert run("groups", "nothing").code == 1


def test_backends_that_cannot_be_looked_at(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a Broker is a mistake (2); one that does not answer a failure (1)."""
    site.backend("venus")
    site.module("fake_driver", DRIVER.format(name="mars", schemes=("mars",)))
    site.distribution("anymq-mars", {"mars": "fake_driver"})
    monkeypatch.setattr("anymq.cli.backend_access._SLACK_S", 0.05)

    no_broker = run("groups", "--url", "venus://h?bucket=x")
    silent = run("groups", "--url", "mars://u:s3cret@h?bucket=hangs&connect_timeout_s=0.01")

    assert (no_broker.code, silent.code) == (2, 1)
    assert "backend 'venus' has no Broker" in no_broker.err
    assert "mars://u:***@h?bucket=hangs&connect_timeout_s=0.01: no answer within" in silent.err


@pytest.mark.parametrize("as_json", [False, True])
def test_tail_shows_what_comes(run: Run, space: Space, as_json: bool) -> None:
    """From now on, as many as asked for; bodies that are no text are shown as base64."""
    space.declare()
    bodies = [b'{"n":\n 1}', b"\xff\x00", b"words"]
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.02):
            space.send(
                *(
                    Message("orders", body, f"m{i}", 1_700_000_000.0, headers={"h": "v"}, key="k")
                    for i, body in enumerate(bodies)
                )
            )

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        result = run("tail", "orders", "--count", "60", *(["--json"] if as_json else []))
    finally:
        stop.set()
        publisher.join(10)

    lines = result.out.splitlines()
    assert (result.code, len(lines)) == (0, 60)
    if as_json:
        shown = {line["id"]: line for line in map(json.loads, lines)}
        assert shown["m0"]["body"] == {"n": 1}
        assert shown["m1"]["body_base64"] == "/wA="
        assert shown["m2"]["body"] == "words"
        assert (shown["m0"]["headers"], shown["m0"]["key"]) == ({"h": "v"}, "k")
    else:
        assert any(line.endswith('orders m0 key=k h=v {"n": 1}') for line in lines)
        assert any(line.endswith("h=v base64:/wA=") for line in lines)


def test_tail_without_a_limit_is_interrupted(
    run: Run, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it with 130 and without a traceback."""
    import _thread

    space.declare()
    topic = space_named(parse_url(space.url).host).topics["orders"]

    def interrupt() -> None:
        until = time.monotonic() + 20
        while not topic.anonymous and time.monotonic() < until:
            time.sleep(0.01)  # another thread's loop tells nobody here when it listens
        _thread.interrupt_main()

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    began = time.monotonic()

    result = run("tail", "orders")

    watcher.join()
    assert (result.code, result.out, result.err) == (130, "", "")
    assert time.monotonic() - began < 30


def test_dead_letters_are_listed_and_shown(run: Run, space: Space) -> None:
    """Listing removes nothing; paging goes on after an id."""
    space.declare("billing")
    assert "has no dead letters" in run("dlq", "ls", "orders", "billing").out
    space.send(_dead(1), _dead(2))

    listed = json.loads(run("dlq", "ls", "orders", "billing", "--json").out)
    table = run("dlq", "ls", "orders", "billing").out
    rest = run("dlq", "ls", "orders", "billing", "--after", listed[0]["entry"], "--json")
    shown = run("dlq", "show", "orders", "billing", listed[0]["entry"])

    assert [entry["id"] for entry in listed] == ["m1", "m2"]
    assert "2023-11-14T22:15:00.000+00:00  5         8 B   ValueError: bad" in table
    assert [entry["id"] for entry in json.loads(rest.out)] == ["m2"]
    assert "id: m1\n" in shown.out
    assert '"anymq-death-reason": "ValueError: bad"' in shown.out
    assert "reply_to" not in shown.out
    entry = json.loads(run("dlq", "show", "orders", "billing", listed[1]["entry"], "--json").out)
    assert entry["body"] == {"n": 1}
    missing = run("dlq", "show", "orders", "billing", "nothing")
    assert (missing.code, "no dead letter 'nothing'" in missing.err) == (1, True)


def test_dead_letters_are_replayed(run: Run, space: Space) -> None:
    """By id or all; what is replayed waits for its group again."""
    space.declare("billing")
    space.send(*map(_dead, range(4)))
    first = json.loads(run("dlq", "ls", "orders", "billing", "--json").out)[0]["entry"]

    assert run("dlq", "replay", "orders", "billing", first).out == "1 replayed, 0 not.\n"
    limited = run("dlq", "replay", "orders", "billing", "--all", "--limit", "1", "--json")
    assert json.loads(limited.out) == {"replayed": 1, "failed": []}
    assert run("dlq", "replay", "orders", "billing", "--all").out == "2 replayed, 0 not.\n"
    group = json.loads(run("groups", "--json").out)["groups"][0]
    assert (group["ready"], group["dead"]) == (4, 0)


def test_dead_letters_that_cannot_be_replayed(run: Run, space: Space) -> None:
    """They stay, and the command fails."""
    space.declare("billing")
    space.send(_dead(1))
    url = f"{space.url}?max_messages=1"
    assert run("publish", "orders", "1", "--url", url).code == 0

    result = run("dlq", "replay", "orders", "billing", "--all", "--url", url)

    assert result.code == 1
    assert result.out == "0 replayed, 1 not.\n"
    assert "not replayed, still dead letters: " in result.err
    assert json.loads(run("groups", "--json").out)["groups"][0]["dead"] == 1


def test_dead_letters_are_purged(run: Run, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only after a yes."""
    space.declare("billing")
    space.send(*map(_dead, range(3)))
    first = json.loads(run("dlq", "ls", "orders", "billing", "--json").out)[0]["entry"]

    refused = run("dlq", "purge", "orders", "billing", "--all")
    assert refused.code == 2
    assert "confirm with --yes" in refused.err
    assert run("dlq", "purge", "orders", "billing", first, "--yes").out == "1 removed.\n"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", _answer(False))
    assert run("dlq", "purge", "orders", "billing", "--all").code == 130
    monkeypatch.setattr("typer.confirm", _answer(True))
    purged = run("dlq", "purge", "orders", "billing", "--all", "--json")
    assert json.loads(purged.out) == {"purged": 2}


def test_choice_of_dead_letters_must_be_clear(run: Run, space: Space) -> None:
    """Neither nothing nor both."""
    for arguments in ([], ["id", "--all"]):
        result = run("dlq", "replay", "orders", "billing", *arguments)
        assert result.code == 2
        assert "or all of them with --all" in result.err


def _answer(is_yes: bool) -> object:
    import typer

    def confirm(question: str, *, abort: bool) -> None:
        if not is_yes and abort:
            raise typer.Abort

    return confirm
