"""The command line."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from services import commands
from services.catalogue import DEFAULT_NAMES, NAMES, build
from services.errors import ServiceError, UsageError
from services.report import Console
from services.settings import Settings

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 misused."""
    signal.signal(signal.SIGTERM, _leave)
    arguments = _parser().parse_args(argv)
    console = Console()
    try:
        return _run(arguments, Settings.from_environ(), console)
    except UsageError as error:
        console.error("services", error)
        return 2
    except ServiceError as error:
        console.error("services", error)
        return 1


def _run(arguments: argparse.Namespace, settings: Settings, console: Console) -> int:
    default = DEFAULT_NAMES if arguments.command == "up" else NAMES
    servers = build(arguments.names or default, settings)
    match arguments.command:
        case "up":
            return 0 if commands.up(servers, console=console) else 1
        case "down":
            return 0 if commands.down(servers, console=console, forget=arguments.forget) else 1
        case "status":
            commands.status(servers, as_json=arguments.json)
        case "env":
            commands.env(servers)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services", description="Real servers for the tests.")
    verbs = parser.add_subparsers(dest="command", required=True)
    for verb, text in (
        ("up", f"install and start servers (default: {' '.join(DEFAULT_NAMES)})"),
        ("down", "stop the servers that `up` started (default: all)"),
        ("status", "show the servers (default: all)"),
        ("env", "print export lines for the running servers (default: all)"),
    ):
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.add_argument("names", nargs="*", metavar="NAME", help=" | ".join(NAMES))
        if verb == "down":
            sub.add_argument("--forget", action="store_true", help="remove data and logs too")
        if verb == "status":
            sub.add_argument("--json", action="store_true", help="for programs")
    return parser


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: what is half done is undone on the way out."""
    sys.exit(128 + number)
