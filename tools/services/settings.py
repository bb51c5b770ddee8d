"""Where things are kept, and what the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_ROOT", "Settings"]

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / ".services"
"""Where the folders of servers lie unless the environment says otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The folders of this run and the servers that somebody else provides."""

    root: Path
    """One folder per server: its configuration, data, log and state."""
    cache: Path
    """What was downloaded, shared by every checkout of this user."""
    environ: Mapping[str, str]
    """The environment that was read; never changed."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `ANYMQ_SERVICES_DIR` and `ANYMQ_SERVICES_CACHE`; both have defaults."""
        env = os.environ if environ is None else environ
        root = env.get("ANYMQ_SERVICES_DIR") or str(DEFAULT_ROOT)
        cache = env.get("ANYMQ_SERVICES_CACHE") or "~/.cache/anymq-services"
        return cls(
            root=Path(root).expanduser().resolve(),
            cache=Path(cache).expanduser().resolve(),
            environ=env,
        )

    def home(self, name: str) -> Path:
        """Return the folder of one server; it may not exist yet."""
        return self.root / name

    def external_url(self, name: str) -> str | None:
        """Return the URL of a server that the user names, if any."""
        return self.environ.get(f"ANYMQ_TEST_{name.upper()}_URL") or None

    def make_root(self) -> None:
        """Create the root and hide it from git, wherever it lies."""
        self.root.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
