"""``anymq conform`` hands its options to the kit and ends with the kit's code."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


def test_options_reach_the_kit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit has tests of its own; this is the way to it."""
    calls: list[tuple[object, ...]] = []
    kit = types.ModuleType("anymq.testing.conform")

    def kit_run(*arguments: object) -> int:
        calls.append(arguments)
        return 1

    kit.run = kit_run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anymq.testing.conform", kit)

    result = run(
        "conform", "--url", "x://", "--store", "y://", "--plugin", "f.py:o", "--harness", "m:C",
        "--only", "LIF,DEL-01", "--json", "r.json",
    )  # fmt: skip

    assert result.code == 1
    assert calls == [("x://", "y://", "f.py:o", "m:C", "LIF,DEL-01", Path("r.json"))]
