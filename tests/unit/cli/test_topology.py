"""``anymq topology``: what the application declares, made and checked on the backend."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import MARS, Run, Space


def test_show_needs_no_backend(run: Run) -> None:
    """Topics and groups as the code has them."""
    shown = run("topology", "show", "shop:app")
    data = json.loads(run("topology", "show", "shop", "--json").out)

    assert shown.code == 0
    assert shown.out.splitlines()[1].split() == [
        "orders", "2", "none", "3600", "s", "billing", "(in", "order)",
    ]  # fmt: skip
    assert [topic["name"] for topic in data["topics"]] == ["orders"]
    assert data["groups"] == [{"topic": "orders", "name": "billing", "order": "key"}]


def test_backend_from_a_file(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--plugin is the application's, too."""
    (folder / "mine.py").write_text(MARS)
    monkeypatch.setenv("ANYMQ_URL", "mars://from-a-file")

    unknown = run("topology", "apply", "shop:app")
    applied = run("--plugin", "mine.py", "topology", "apply", "shop:app")

    assert (unknown.code, "no installed backend has" in unknown.err) == (2, True)
    assert (applied.code, applied.out) == (0, "1 topic(s), 1 group(s) applied.\n")


def test_verify_fails_until_applied(run: Run, space: Space) -> None:
    """What is missing is an error of the backend (1), not of the command."""
    missing = run("topology", "verify", "shop:app")
    applied = run("topology", "apply", "shop:app")
    verified = run("topology", "verify", "shop:app", "--json")

    assert (missing.code, missing.err.count("\n")) == (1, 1)
    assert applied.out == "1 topic(s), 1 group(s) applied.\n"
    assert json.loads(verified.out)["verified"] is True
    assert json.loads(run("groups", "--json").out)["groups"][0]["name"] == "billing"


def test_prune_removes_what_is_not_declared(run: Run, space: Space) -> None:
    """After asking; declared groups stay."""
    run("topology", "apply", "shop:app")
    space.declare("old", "older")

    refused = run("topology", "prune", "shop:app")
    pruned = run("topology", "prune", "shop:app", "--yes")
    again = run("topology", "prune", "shop:app", "--json")

    assert refused.code == 2
    assert "Remove the group(s) 'old' of 'orders', 'older' of 'orders'" in refused.err
    assert pruned.out == "2 group(s) removed.\n"
    assert json.loads(again.out) == {"removed": []}
    names = [group["name"] for group in json.loads(run("groups", "--json").out)["groups"]]
    assert names == ["billing"]


FEED = """
import asyncio

from anymq import App

app = App()
app.stream("sales", partitions=3, max_records=1000, max_age_s=60)


async def join() -> None:
    async with app, app.stream("sales").group("alerts") as member:
        print(sorted(member.partitions))
"""


def test_streams_are_made_with_what_their_groups_need(
    run: Run, folder: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``apply`` a deployment that only verifies can read them in groups."""
    (folder / "shop.py").write_text(FEED)
    missing = run("topology", "verify", "shop")
    shown = run("topology", "show", "shop")
    applied = run("topology", "apply", "shop")
    verified = run("topology", "verify", "shop", "--json")
    monkeypatch.setenv("ANYMQ_TOPOLOGY", "verify")
    sys.modules.pop("shop", None)
    feed = importlib.import_module("shop")
    asyncio.run(feed.join())

    assert missing.code == 1
    assert shown.out.splitlines()[-1].split() == ["sales", "3", "1000", "records,", "60", "s"]
    assert applied.out == "0 topic(s), 0 group(s), 1 stream(s) applied.\n"
    (stream,) = json.loads(verified.out)["streams"]
    assert (stream["name"], stream["partitions"]) == ("sales", 3)
