"""Names on the file: those of the application behind its namespace."""

from __future__ import annotations

from anymq.abc import BackendContext
from anymq.errors import TopologyError

__all__ = ["Names"]


class Names:
    """Translates topics (and patterns, and streams) of one application."""

    __slots__ = ("file", "prefix")

    def __init__(self, context: BackendContext, file: str) -> None:
        self.prefix = context.physical("")
        self.file = file

    def physical(self, name: str) -> str:
        """The name on the file."""
        return self.prefix + name

    def logical(self, name: str) -> str:
        """The application's name; the name itself if it is of another namespace."""
        return name.removeprefix(self.prefix)

    def missing_topic(self, physical: str) -> TopologyError:
        """What to raise for a topic that nobody declared."""
        return TopologyError(
            f"topic {self.logical(physical)!r} does not exist in {self.file}: declare it with"
            " app.topic(...), and run 'anymq topology apply' or set topology = \"manage\""
        )

    def missing_group(self, physical: str, group: str) -> TopologyError:
        """What to raise for a group that nobody declared."""
        return TopologyError(
            f"group {group!r} of topic {self.logical(physical)!r} does not exist in {self.file}:"
            " run 'anymq topology apply' or set topology = \"manage\""
        )
