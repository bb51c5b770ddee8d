"""The quota: 5.00 for each copy that was issued, from revenue and profit together."""

from __future__ import annotations

from decimal import Decimal

from newsstand.sales.models import Judged, Sale

__all__ = ["PER_COPY", "judge"]

PER_COPY = Decimal("5.0")
_NEEDED = ("copies_issued", "revenue", "profit")


def judge(sale: Sale) -> Judged:
    """Hold a sale against its quota; a record that lacks a value says which."""
    issued, revenue, profit = sale.copies_issued, sale.revenue, sale.profit
    if issued is None or revenue is None or profit is None:
        lacking = [name for name in _NEEDED if getattr(sale, name) is None]
        return Judged(sale=sale, error=f"{', '.join(lacking)} not recorded")
    if issued < 0 or not (revenue.is_finite() and profit.is_finite()):
        return Judged(sale=sale, error="copies_issued, revenue or profit is no sensible number")
    missing = issued * PER_COPY - revenue - profit
    return Judged(sale=sale, is_within_quota=missing <= 0, missing=missing)
