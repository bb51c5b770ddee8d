"""The real servers of a test session: found, or started once and stopped at its end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NAMES", "Servers", "explain", "exports", "services", "stand_in"]

NAMES = ("redis", "rabbitmq", "kafka", "postgres")
SERVICES = Path(__file__).resolve().parent.parent / "tools" / "services"
UP_S = 1200
"""A first start fetches packages; later ones take seconds."""
CALL_S = 120


@dataclass(slots=True)
class Servers:
    """Which servers this session has, and why it lacks the others.

    `ANYMQ_TEST_<NAME>_URL` in the environment names a server of the user's; every other one comes
    from tools/services, which also finds those that run already. What `start` found is put into
    the environment, where the tests read it.
    """

    tell: Callable[[str], object]
    """Takes one line of progress."""
    missing: dict[str, str] = field(default_factory=dict)
    """Name to reason."""
    _started: list[str] = field(default_factory=list)

    def start(self, names: Iterable[str]) -> None:
        """Bring up the named servers; blocks for at most UP_S. What fails lands in `missing`."""
        wanted = {name: stand_in(name) for name in NAMES if name in set(names)}
        if not wanted:
            return
        idle = self._stopped(wanted.values())
        said = self._up(wanted.values())
        found = exports(services("env", *wanted.values()))
        os.environ.update(found)
        for name, ours in wanted.items():
            if f"ANYMQ_TEST_{name.upper()}_URL" not in found:
                self.missing[name] = explain(ours, said)
            elif ours in idle:
                self._started.append(ours)

    def stop(self) -> None:
        """Stop the servers that `start` started; leave alone those that ran before."""
        if self._started:
            services("down", *self._started)
            self._started.clear()

    def tell_parent(self, folder: Path) -> None:
        """Note what this process of a parallel session started and lacked, for its parent.

        At once, not at the end: who is interrupted or killed does not get to tell it.
        """
        said = {"started": self._started, "missing": self.missing}
        draft = folder / f"servers.{os.getpid()}"
        draft.write_text(json.dumps(said))
        draft.replace(folder / f"servers.{os.getpid()}.json")

    def hear_children(self, folder: Path) -> None:
        """Be the one who stops what the other processes started. May be called again."""
        for path in sorted(folder.glob("servers.*.json")):
            said = json.loads(path.read_text())
            self._started += [name for name in said["started"] if name not in self._started]
            self.missing |= said["missing"]

    def _stopped(self, names: Iterable[str]) -> set[str]:
        lines = json.loads(services("status", "--json", *names))
        return {line["name"] for line in lines if line["state"] == "stopped"}

    def _up(self, names: Iterable[str]) -> list[str]:
        said = []
        with subprocess.Popen(
            [sys.executable, SERVICES, "up", *names],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line.rstrip())
                self.tell(said[-1])
            process.wait(UP_S)
        return said


def stand_in(name: str) -> str:
    """Return what tools/services is to start as this server, as `valkey` for `redis`.

    Named by `ANYMQ_TEST_<NAME>_SERVER`, or by nobody: then it is the server itself.
    """
    return os.environ.get(f"ANYMQ_TEST_{name.upper()}_SERVER") or name


def exports(text: str) -> dict[str, str]:
    """Return the variables of shell lines `export NAME=VALUE`."""
    words = shlex.split(text)
    return dict(word.split("=", 1) for word in words if word != "export")


def explain(name: str, said: list[str]) -> str:
    """Return the last word of tools/services about a server, without its name."""
    about = [line.removeprefix(name).strip() for line in said if line.startswith(name)]
    return about[-1] if about else "tools/services said nothing about it"


def services(*arguments: str) -> str:
    """Call tools/services; what it prints. Raises CalledProcessError."""
    return subprocess.run(
        [sys.executable, SERVICES, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=CALL_S,
    ).stdout
