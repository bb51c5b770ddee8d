"""The command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from services import commands, proxy
from services.catalogue import DEFAULT_NAMES, NAMES, OWN_NAMES, build, known
from services.client_tools import KAFKA_TOOLS, kafka_tool, rabbitmq_tool
from services.control import VERBS, control
from services.errors import ServiceError, UsageError
from services.proxy_process import serve
from services.report import Console
from services.server import Command
from services.settings import Settings

__all__ = ["main"]

if TYPE_CHECKING:
    _SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 misused."""
    signal.signal(signal.SIGTERM, _leave)
    arguments = _parser().parse_args(argv)
    console = Console()
    try:
        return 0 if _run(arguments, Settings.from_environ(), console) else 1
    except UsageError as error:
        console.error("services", error)
        return 2
    except ServiceError as error:
        console.error("services", error)
        return 1


def _run(arguments: argparse.Namespace, settings: Settings, console: Console) -> bool:
    match arguments.command:
        case "control":
            (server,) = build([arguments.name], settings)
            control(server, arguments.verb, arguments.value)
        case "kafka-tool":
            _become(kafka_tool(arguments.tool, arguments.arguments, settings))
        case "rabbitmq-tool":
            _become(rabbitmq_tool(arguments.tool, arguments.arguments, settings))
        case "proxy":
            serve(arguments.listen_port, arguments.upstream_port)
        case _:
            return _run_on_many(arguments, settings, console)
    return True


def _run_on_many(arguments: argparse.Namespace, settings: Settings, console: Console) -> bool:
    defaults = {"up": DEFAULT_NAMES, "env": OWN_NAMES}
    default = defaults.get(arguments.command) or known(settings)
    servers = build(arguments.names or default, settings)
    match arguments.command:
        case "up":
            return commands.up(servers, console=console, with_proxy=arguments.proxy)
        case "down":
            return commands.down(servers, console=console, forget=arguments.forget)
        case "status":
            commands.status(servers, as_json=arguments.json)
        case "env":
            commands.env(servers)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services", description="Real servers for the tests.")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_many(verbs)
    _add_control(verbs)
    for name, tools in (("kafka-tool", list(KAFKA_TOOLS)), ("rabbitmq-tool", ["rabbitmqctl"])):
        text = f"run one of the server's own tools on our instance: {', '.join(tools)}"
        sub = verbs.add_parser(name, help=f"run, for example, {tools[0]}", description=text)
        sub.add_argument("tool")
        sub.add_argument("arguments", nargs=argparse.REMAINDER)
    sub = verbs.add_parser("proxy", description="Internal: the process that `up --proxy` starts.")
    sub.add_argument("listen_port", type=int)
    sub.add_argument("upstream_port", type=int)
    return parser


def _add_many(verbs: _SubParsers) -> None:
    """Add the commands that take any number of servers."""
    for verb, text in (
        ("up", f"install and start servers (default: {' '.join(DEFAULT_NAMES)})"),
        ("down", "stop the servers that `up` started (default: all)"),
        ("status", "show the servers (default: all)"),
        ("env", "print export lines for the running servers (default: all)"),
    ):
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.add_argument("names", nargs="*", metavar="NAME", help=" | ".join(NAMES))
        if verb == "up":
            sub.add_argument("--proxy", action="store_true", help="with a proxy before each")
        if verb == "down":
            sub.add_argument("--forget", action="store_true", help="remove data and logs too")
        if verb == "status":
            sub.add_argument("--json", action="store_true", help="for programs")


def _add_control(verbs: _SubParsers) -> None:
    sub = verbs.add_parser(
        "control",
        help="break or mend one server while tests run",
        description="Break or mend one server of ours. When it returns, it is done.",
        epilog=f"""\
to the server:
{_explain(VERBS)}

to the connections that were made through its proxy (`up --proxy NAME`):
{_explain(proxy.VERBS)}

examples:
  services control redis kill
  services control rabbitmq delay 0.3""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("name", metavar="NAME", help=" | ".join(NAMES))
    sub.add_argument("verb", metavar="VERB", help="what to do, see below")
    sub.add_argument("value", metavar="NUMBER", nargs="?", type=float, help="where a verb has one")


def _explain(described: Mapping[str, str]) -> str:
    shown = {f"{verb} {proxy.UNITS.get(verb, '')}": text for verb, text in described.items()}
    return "\n".join(f"  {verb:<16} {text}" for verb, text in shown.items())


def _become(command: Command) -> NoReturn:
    """Let another program take this one's place, terminal and exit status included."""
    os.execvpe(command.argv[0], command.argv, dict(command.environ))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: what is half done is undone on the way out."""
    sys.exit(128 + number)
