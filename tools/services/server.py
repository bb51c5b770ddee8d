"""What every kind of server must be able to do."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.errors import UsageError
from services.settings import Settings
from services.tls import Certificates

__all__ = ["PASSWORD", "USER", "Command", "Server"]

USER, PASSWORD = "app", "app-secret"
"""A user that every server knows beside the one that may do everything, and that can be revoked."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: its arguments and its whole environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]


class Server(ABC):
    """One kind of server: how to install it and how one instance of it is laid out.

    It starts nothing itself and remembers nothing: `lifecycle` does both. Everything it writes
    lies in `home`. Methods raise `ServiceError` when they cannot do what they say.
    """

    name: str
    """As on the command line."""
    role: str = ""
    """Whose place it takes in the variables of the tests; empty: its own name's."""
    port_names: tuple[str, ...] = ("main", "proxy")
    """A free port is chosen for each; "main" is in the URL, "proxy" kept for the proxy."""
    upstream_port: str = "main"
    """The port that the proxy leads to."""
    start_limit_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 20.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.role = self.role or self.name
        self.home = settings.home(self.name)

    @property
    def data(self) -> Path:
        """The folder that holds all that the server must not lose."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that the server's output is appended to."""
        return self.home / "server.log"

    @property
    def certificates(self) -> Certificates:
        """What its TLS port shows, and what its clients need."""
        return Certificates(self.home / "tls")

    @abstractmethod
    def is_installed(self) -> bool:
        """Tell whether all that is needed is on this machine."""

    @abstractmethod
    def install(self, tell: Callable[[str], None]) -> None:
        """Fetch what is missing, and tell what it is. Takes minutes at worst."""

    @abstractmethod
    def version(self) -> str:
        """Return the server's version, for people."""

    @abstractmethod
    def prepare(self, ports: Mapping[str, int]) -> None:
        """Write the configuration, and the data of an empty server where there are none."""

    @abstractmethod
    def command(self, ports: Mapping[str, int]) -> Command:
        """Return the server's own program, which must stay in the foreground."""

    def helpers(self, ports: Mapping[str, int]) -> dict[str, Command]:
        """Return the programs that must run before and beside the server, by role."""
        return {}

    @abstractmethod
    def url(self, port: int) -> str:
        """Return what a client needs to connect, directly or through the proxy's port."""

    @abstractmethod
    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        """Ask the server itself whether it serves. Bounded by a few seconds; never raises."""

    def revoke(self, ports: Mapping[str, int]) -> None:
        """Let `USER` no longer in, and end what it has open."""
        raise UsageError(f"{self.name} has no user to revoke")

    def grant(self, ports: Mapping[str, int]) -> None:  # noqa: B027  (not every server has users)
        """Let `USER` in with `PASSWORD`. Called after every start, too."""

    def extra_environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return further variables for the tests, beside URL and CONTROL."""
        return {}
