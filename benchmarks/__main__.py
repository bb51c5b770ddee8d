"""``python -m benchmarks [BACKEND ...]``: measure, and show a table (or JSON)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figure, interleave
from benchmarks.suites import SUITES, Suite
from tests.exclusive import hold, lock_path

LOCK_WAIT_S = 900


def main() -> int:
    """Measure the chosen backends one after the other; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("backends", nargs="*", default=list(SUITES), metavar="BACKEND")
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    unknown = [name for name in options.backends if name not in SUITES]
    if unknown:
        parser.error(f"no suite {unknown[0]!r}; there are {', '.join(SUITES)}")
    figures: dict[str, list[Figure]] = {}
    with hold(lock_path(), wait_s=LOCK_WAIT_S) as locked:
        if not locked:
            sys.exit("another measurement holds the machine")
        for name in options.backends:
            suite = SUITES[name]
            figures[name] = asyncio.run(
                interleave(
                    suite.candidates,
                    baseline=suite.baseline,
                    messages=options.messages,
                    rounds=options.rounds,
                )
            )
            _show(name, suite, figures[name])
    if options.json is not None:
        listed = {name: [asdict(figure) for figure in seen] for name, seen in figures.items()}
        options.json.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    return int(any(_missed(SUITES[name], figure) for name in figures for figure in figures[name]))


def _show(name: str, suite: Suite, figures: list[Figure]) -> None:
    table = Table(title=f"{name}: messages per second", title_justify="left")
    for heading in ("what", "median", "lowest", "highest", "µs each", "ratio", "goal"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for figure in figures:
        goal = suite.goals.get(figure.name)
        style = "" if goal is None else ("[bold red]" if _missed(suite, figure) else "[green]")
        table.add_row(
            figure.name,
            f"{figure.median:,.0f}",
            f"{figure.lowest:,.0f}",
            f"{figure.highest:,.0f}",
            f"{figure.microseconds:.1f}",
            f"{style}{figure.ratio:.2f}",
            "" if goal is None else f"≥ {goal:.2f}",
        )
    Console().print(table)


def _missed(suite: Suite, figure: Figure) -> bool:
    return figure.ratio < suite.goals.get(figure.name, 0.0)


if __name__ == "__main__":
    sys.exit(main())
