"""``python -m benchmarks [SUITE ...]``: measure, and show tables (or write JSON)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.embedded_suites import EMBEDDED
from benchmarks.latency import Latency, latencies
from benchmarks.measure import Figure, Seen, interleave
from benchmarks.report import show_latencies, show_rates
from benchmarks.server_suites import HAS_PEER, LATENCIES, SERVERS
from benchmarks.servers import running
from benchmarks.suite import LatencySuite, Suite
from tests.exclusive import hold, lock_path

__all__ = ["main"]

LOCK_WAIT_S = 900
MESSAGES = 40_000
SUITES: dict[str, Suite | LatencySuite] = {**EMBEDDED, **SERVERS, **LATENCIES}


def main() -> int:
    """Measure the chosen suites one after the other; 1 if a goal was missed."""
    options = _options()
    console = Console()
    if not HAS_PEER:
        console.print("[dim]FastStream is not installed, so it is not measured (tox -e bench)[/]")
    with hold(lock_path(), wait_s=LOCK_WAIT_S, tell=console.print) as locked:
        if not locked:
            sys.exit("another measurement holds the machine")
        with running(options.suites, console):
            return _measure_all(options, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help=f"or the beginning of several, as in redis (default: all). {', '.join(SUITES)}",
    )
    parser.add_argument("--messages", type=int, help="in each run (default: as the suite says)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    chosen: list[str] = []
    for wanted in options.suites or [""]:
        begun = f"{wanted}-" if wanted else ""
        found = [name for name in SUITES if name == wanted] or [
            name for name in SUITES if name.startswith(begun)
        ]
        if not found:
            parser.error(f"no suite {wanted!r}; there are {', '.join(SUITES)}")
        chosen += [name for name in found if name not in chosen]
    options.suites = chosen
    return options


def _measure_all(options: argparse.Namespace, console: Console) -> int:
    written: dict[str, list[dict[str, object]]] = {}
    missed = False
    for name in options.suites:
        suite = SUITES[name]
        if isinstance(suite, LatencySuite):
            rows = _latencies(name, suite, options, console)
            missed |= any(row.is_missed for row in rows)
            written[name] = [asdict(row) for row in rows]
        else:
            figures = _rates(name, suite, options, console)
            missed |= any(suite.missed(figure, figures) for figure in figures)
            written[name] = [asdict(figure) for figure in figures]
        if options.json is not None:
            options.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return int(missed)


def _rates(name: str, suite: Suite, options: argparse.Namespace, console: Console) -> list[Figure]:
    runs = (options.rounds + 1) * len(suite.candidates)
    with _progress(console, name, runs) as seen:
        figures = asyncio.run(
            interleave(
                suite.candidates,
                baseline=suite.baseline,
                messages=options.messages or suite.messages or MESSAGES,
                rounds=options.rounds,
                seen=seen,
            )
        )
    show_rates(console, name, suite, figures)
    return figures


def _latencies(
    name: str, suite: LatencySuite, options: argparse.Namespace, console: Console
) -> list[Latency]:
    with _progress(console, name, options.rounds * 2) as seen:
        rows = asyncio.run(latencies(suite, rounds=options.rounds, seen=seen))
    show_latencies(console, name, rows)
    return rows


@contextmanager
def _progress(console: Console, suite: str, runs: int) -> Iterator[Seen]:
    """A bar that names what runs; gone when the table comes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(suite, total=runs)

        def seen(name: str, rate: float | None) -> None:
            if rate is None:
                progress.update(task, description=f"{suite}: {name}")
            else:
                progress.advance(task)

        yield seen


if __name__ == "__main__":
    sys.exit(main())
