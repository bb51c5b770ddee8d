"""What we remember of a server that we started: one small JSON file in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.process import Process

__all__ = ["Record", "load", "save"]

_FILE = "state.json"


@dataclass(slots=True)
class Record:
    """One server of ours, running or not."""

    name: str
    version: str
    url: str
    ports: dict[str, int]
    """By purpose; "main" is the one in the URL. Kept over restarts."""
    processes: dict[str, Process] = field(default_factory=dict)
    """By role: whatever the server needs beside it, then "server": in the order of their start."""
    proxy: Process | None = None
    """The proxy in front of it, which lives on while the server is restarted."""


def load(home: Path) -> Record | None:
    """Return what is known of the server in `home`; None if nothing, or if it is unreadable."""
    try:
        raw = json.loads((home / _FILE).read_text(encoding="utf-8"))
        processes = {role: Process(**process) for role, process in raw.pop("processes").items()}
        proxy = raw.pop("proxy", None)
        return Record(**raw, processes=processes, proxy=Process(**proxy) if proxy else None)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save(home: Path, record: Record) -> None:
    """Write the record so that a reader sees the old one or the new one, whole."""
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"{_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    draft.replace(home / _FILE)
