"""What SQLite gives."""

from __future__ import annotations

import sqlite3

from anymq.capabilities import CAPABILITY_NAMES, FEATURES, Capabilities, Durability, Support
from anymq_sqlite.options import SqliteOptions

__all__ = ["capabilities_of"]


def capabilities_of(options: SqliteOptions) -> Capabilities:
    """Everything is native but the replies to requests, which core makes."""
    support = dict.fromkeys(CAPABILITY_NAMES, Support.NATIVE)
    support["request_reply"] = Support.EMULATED
    return Capabilities(
        support=support,
        handles=FEATURES,  # type: ignore[arg-type]  # all there are
        durability=Durability.OS_CRASH,
        server=f"SQLite {sqlite3.sqlite_version}",
        max_message_bytes=options.max_message_bytes,
        max_batch=options.max_batch,
        lease_s=options.lease_s,
        options={"file": options.file, "journal_mode": "WAL", "synchronous": "FULL"},
    )
