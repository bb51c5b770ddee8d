"""What ``anymq conform`` reports, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from anymq.capabilities import CAPABILITY_NAMES
from anymq.cli import main
from anymq.errors import ConfigError
from anymq.plugins.registry import Registry
from anymq.testing.check import all_checks
from anymq.testing.harness import Timings
from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.result import CheckResult, Report
from anymq.testing.runner import Runner, choose

PASSING = ("--url", "memory://report", "--only", "DEL-01,TIM-05")
GROUPS = {"CFG": 12, "LIF": 17, "DEL": 14, "ACK": 15, "RTY": 21, "ORD": 6, "GRP": 13, "CON": 10}
GROUPS |= {"REC": 12, "MSG": 12, "BAT": 10, "TIM": 6, "HND": 5, "OBS": 8}
"""How many checks the list has, by group."""

BROKEN = """
from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.outcome import CONFIRMED
from anymq.plugins import BackendDescriptor, hookimpl
from anymq.testing.harness import Timings
from anymq.testing.harnesses.memory import MemoryHarness


class Impatient(MemoryHarness):
    timings = Timings(scale=0.1)


class Forgetful(MemoryBroker):
    async def send(self, messages, *, timeout_s, atomic=False):
        return [CONFIRMED] * len(messages)


class Plugin:
    @hookimpl
    def anymq_backends(self):
        return [
            BackendDescriptor(
                name="forgetful",
                schemes=("forgetful",),
                options=MemoryOptions,
                capabilities=capabilities_of(MemoryOptions()),
                broker=Forgetful,
            )
        ]
"""


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A plugin that is not installed and loses what it confirms, as FILE.py:OBJECT."""
    path = tmp_path / "forgetful.py"
    path.write_text(BROKEN)
    return f"{path}:Plugin"


def test_a_backend_that_passes_ends_with_status_0(tmp_path: Path) -> None:
    """The report has the kit, the backend, its capabilities, and every check that was asked for."""
    path = tmp_path / "report.json"

    status = main(["conform", *PASSING, "--json", str(path)])

    assert status == 0
    report = json.loads(path.read_text())
    assert set(report) == {"kit", "backend", "server", "capabilities", "checks"}
    assert report["backend"] == "memory"
    assert report["server"].startswith("in-process")
    assert list(report["capabilities"]) == list(CAPABILITY_NAMES)
    assert set(report["capabilities"].values()) <= {"N", "E", "U"}
    assert list(report["checks"]) == ["DEL-01", "TIM-05"]
    assert report["checks"]["TIM-05"]["variant"] == "negative"
    round_trip = report["checks"]["DEL-01"]
    assert (round_trip["outcome"], round_trip["variant"]) == ("passed", "positive")
    assert round_trip["families"] == ["broker", "stream"]
    assert round_trip["sent"] > 0
    assert round_trip["seen"] > 0


def test_a_backend_that_fails_ends_with_status_1(
    tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plugin is checked without being installed; its failure has the reason."""
    path = tmp_path / "report.json"
    harness = ("--harness", broken.replace(":Plugin", ":Impatient"))
    arguments = ("--plugin", broken, *harness, "--url", "forgetful://x", "--only", "DEL-01")

    status = main(["conform", *arguments, "--json", str(path)])

    assert status == 1
    check = json.loads(path.read_text())["checks"]["DEL-01"]
    assert check["outcome"] == "failed"
    assert "0 of 50" in check["reason"]
    assert "1 failed" in capsys.readouterr().out


def test_what_cannot_be_broken_is_skipped_with_a_reason(tmp_path: Path) -> None:
    """Memory lives in the process that checks it: the report says so, and nothing has failed."""
    path = tmp_path / "report.json"

    status = main(["conform", "--url", "memory://report", "--only", "REC", "--json", str(path)])

    checks = json.loads(path.read_text())["checks"]
    assert status == 0
    assert list(checks) == [f"REC-{n:02}" for n in range(1, 13)]
    assert {check["outcome"] for check in checks.values()} == {"skipped"}
    assert all("in this process" in check["reason"] for check in checks.values())


def test_groups_of_checks_may_be_asked_for() -> None:
    """``--only`` takes ids and groups, in any case."""
    chosen = choose(["del-01", "CFG"], families=("broker",))

    assert {check.group for check in chosen} == {"DEL", "CFG"}
    assert [check.id for check in chosen if check.group == "DEL"] == ["DEL-01"]
    assert len([check for check in chosen if check.group == "CFG"]) == 12


def test_an_unknown_check_is_refused() -> None:
    """A typo runs nothing and says so."""
    with pytest.raises(ConfigError, match="NOPE-01"):
        choose(["NOPE-01"], families=("broker",))

    assert main(["conform", "--url", "memory://report", "--only", "NOPE-01"]) == 2


def test_every_id_of_the_groups_that_are_done_has_a_check() -> None:
    """A Broker is asked for all of the list's groups, and for each id once."""
    ids = [check.id for check in all_checks() if check.family == "broker"]
    wanted = [f"{group}-{n:02}" for group, size in GROUPS.items() for n in range(1, size + 1)]

    assert len(set(ids)) == len(ids)
    assert not set(wanted) - set(ids)


class Resigned(MemoryHarness):
    """Lists a failure that happens, and one that does not."""

    timings = Timings(scale=0.1)
    known_failures: ClassVar[Mapping[str, str]] = {
        "DEL-01": "https://example.org/issues/1",
        "CFG-06": "https://example.org/issues/2",
    }


async def test_known_failures_are_strict(broken: str) -> None:
    """A listed check that fails is skipped with its reason; one that passes fails."""
    from anymq.plugins.loader import load_object

    registry = Registry()
    registry.register(load_object(broken), name=broken)
    runner = Runner(Resigned("forgetful://x"), registry)
    await runner.prepare()

    results = {c.id: await runner.run_one(c) for c in choose(["DEL-01"], families=("broker",))}
    results |= {c.id: await runner.run_one(c) for c in choose(["CFG-06"], families=("broker",))}

    assert results["DEL-01"].outcome == "skipped"
    assert "issues/1" in results["DEL-01"].reason
    assert results["CFG-06"].outcome == "failed"
    assert "take it off the list" in results["CFG-06"].reason


def test_an_id_has_the_worst_outcome_of_its_families() -> None:
    """One line per id, whatever the families; messages are added up."""
    report = Report("x", "server", {})
    report.results = [
        CheckResult("MSG-01", "broker", "passed", "positive", sent=2, seen=1),
        CheckResult("MSG-01", "stream", "failed", "positive", "lost", sent=3, seen=0),
    ]

    line = report.as_json()["checks"]["MSG-01"]

    assert line == {
        "outcome": "failed",
        "variant": "positive",
        "reason": "lost",
        "sent": 5,
        "seen": 1,
        "families": ["broker", "stream"],
    }
