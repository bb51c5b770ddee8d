"""Orders that the proxy cannot carry out."""

from __future__ import annotations

import pytest
from services.errors import UsageError
from services.proxy import VERBS, Proxy

__all__: list[str] = []


@pytest.mark.parametrize(
    ("verb", "value"), [("delay", None), ("delay", -1), ("slice", None), ("dance", None)]
)
def test_impossible_order_is_refused(verb: str, value: float | None) -> None:
    """Nothing changes, and the error says which."""
    proxy = Proxy(1)

    with pytest.raises(UsageError, match=verb):
        proxy.order(verb, value)

    assert proxy.faults.delay_s == 0
    assert set(VERBS) >= {"cut", "delay", "blackhole", "half-open", "heal"}
