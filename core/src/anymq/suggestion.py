"""The closest known name, for errors about a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["closest", "did_you_mean"]

# Below this likeness two names have little in common, and a suggestion would mislead.
_LIKENESS = 0.6


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, or None when nothing is near."""
    by_folded = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    folded = name.lower().replace("-", "_")
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=_LIKENESS)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` to put behind a name, or "" when nothing is near."""
    candidate = closest(name, known)
    return f" (did you mean {candidate!r}?)" if candidate else ""
