"""Figures as tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.latency import Latency
from benchmarks.measure import Figure
from benchmarks.suite import Suite

__all__ = ["show_latencies", "show_rates"]


def show_rates(console: Console, name: str, suite: Suite, figures: list[Figure]) -> None:
    """Messages per second; ratios green or red where there is a goal."""
    table = _table(f"{name}: messages per second")
    headings = ("median", "from", "to", "CPU µs", "MB", "ratio", "goal")
    for heading in headings:
        table.add_column(heading, justify="right")
    for figure in figures:
        table.add_row(
            figure.name,
            _short(figure.median),
            _short(figure.lowest),
            _short(figure.highest),
            "" if figure.cpu_us is None else f"{figure.cpu_us:.1f}",
            "" if figure.memory_mb is None else f"{figure.memory_mb:.0f}",
            _style(suite, figure, figures) + f"{figure.ratio:.2f}",
            _goal(suite, figure, figures),
        )
    console.print(table)


def _short(rate: float) -> str:
    return f"{rate / 1000:.3g}k"


def _style(suite: Suite, figure: Figure, figures: list[Figure]) -> str:
    if figure.name not in {*suite.goals, *suite.beats}:
        return ""
    return "[bold red]" if suite.missed(figure, figures) else "[green]"


def _goal(suite: Suite, figure: Figure, figures: list[Figure]) -> str:
    if figure.name in suite.beats:
        style = _style(suite, figure, figures)
        times = suite.times(figure, figures)
        return f"{style}1 : {times:.1f}[/] ≥ {suite.beats[figure.name]:g}"
    goal = suite.goals.get(figure.name)
    return "" if goal is None else f"≥ {goal:g}"


def show_latencies(console: Console, name: str, rows: list[Latency]) -> None:
    """Milliseconds from publish to handler; red above a limit."""
    table = _table(f"{name}: milliseconds from publish to handler, 500 a second")
    for heading in ("p50", "at most", "p99", "at most"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            _coloured(row.p50, row.p50_limit),
            "" if row.p50_limit is None else f"{row.p50_limit:.2f}",
            _coloured(row.p99, row.p99_limit),
            "" if row.p99_limit is None else f"{row.p99_limit:.2f}",
        )
    console.print(table)


def _coloured(value: float, limit: float | None) -> str:
    if limit is None:
        return f"{value:.2f}"
    return f"[{'green' if value <= limit else 'bold red'}]{value:.2f}"


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what", no_wrap=True)
    return table
