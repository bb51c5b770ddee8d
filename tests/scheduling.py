"""Which tests of a parallel session stay in one process: those that count what a server has.

The conformance kit counts consumers before and after a check. On Kafka it tells those of its own
run from others; on the other servers it cannot, so that their tests come one after the other.

pytest-xdist 3.8 has groups of its own, by a suffix of a test's id; pytest 9.2 no longer lets it
change ids. So the processes write down who belongs where, in a folder that all of them know.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

__all__ = ["GroupScheduling", "group_of", "write_groups"]

FILE = "groups.json"
ALONE = "alone"
SHARED_FREELY = {"kafka", "postgres"}
"""Servers on which tests see only what is their own."""


def group_of(needs: set[str], *, alone: bool = False) -> str:
    """Return the group of a test that needs these servers; "" for one that may run anywhere.

    `alone`: it runs while all other processes wait.
    """
    if alone:
        return ALONE
    return "-".join(sorted(needs)) if needs - SHARED_FREELY else ""


def write_groups(folder: Path, groups: dict[str, str]) -> None:
    """Tell the parent process the group of each test id that has one; all write the same."""
    draft = folder / f"{FILE}.{os.getpid()}"
    draft.write_text(json.dumps(groups))
    draft.replace(folder / FILE)


class GroupScheduling(LoadScopeScheduling):
    """Tests of one group go to one process, in their order; all others to whoever is free.

    Those that run alone are a group, and come last.
    """

    def __init__(self, config: pytest.Config, log: Any, folder: Path) -> None:
        super().__init__(config, log)
        self._folder = folder
        self._groups: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._groups is None:
            self._groups = json.loads((self._folder / FILE).read_text())
        return self._groups.get(nodeid, nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        """Keep those for the end that run alone: each would wait until all others have a pause."""
        if ALONE in self.workqueue:
            self.workqueue.move_to_end(ALONE)
        super()._assign_work_unit(node)
