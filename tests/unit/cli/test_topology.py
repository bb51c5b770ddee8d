"""``anymq topology``: what the application declares, made and checked on the backend."""

from __future__ import annotations

import json
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
