"""Building and running the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from anymq.cli.backends import backends
from anymq.cli.config import config
from anymq.cli.conform import conform
from anymq.cli.dlq import dlq_commands
from anymq.cli.doctor import doctor
from anymq.cli.extension_commands import add_extension_commands
from anymq.cli.groups import groups
from anymq.cli.output import print_error
from anymq.cli.publish import publish
from anymq.cli.run_app import run as run_command
from anymq.cli.state import State, state_of
from anymq.cli.tail import tail
from anymq.cli.tasks import task_commands
from anymq.cli.topology import topology_commands
from anymq.cli.worker import worker
from anymq.errors import AnyMQError, ConfigError, PluginError, UnsupportedError

__all__ = ["run"]

_COMMANDS: Mapping[str, Callable[..., object]] = {
    "run": run_command,
    "worker": worker,
    "doctor": doctor,
    "backends": backends,
    "config": config,
    "groups": groups,
    "publish": publish,
    "tail": tail,
    "conform": conform,
}
_MISTAKES = (ConfigError, PluginError, UnsupportedError)
_FAILURE, _MISTAKE, _INTERRUPTED = 1, 2, 130


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every expected error becomes one line on stderr and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    state = State()
    command = typer.main.get_command(_build(state))
    try:
        code = command.main(
            given or ["--help"], prog_name="anymq", standalone_mode=False, obj=state
        )
    except TyperException as error:
        print_error(_usage(error))
        return error.exit_code
    except typer.Abort:
        return _INTERRUPTED
    except AnyMQError as error:
        if state.show_traceback:
            raise
        print_error(str(error))
        return _MISTAKE if isinstance(error, _MISTAKES) else _FAILURE
    return code if isinstance(code, int) else 0


def _build(state: State) -> typer.Typer:
    # Plain help: rich takes 200 ms to draw it, more than all the rest together.
    app = typer.Typer(
        name="anymq",
        callback=_options,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for name, function in _COMMANDS.items():
        app.command(name)(function)
    groups_of_commands = (
        ("topology", topology_commands()),
        ("dlq", dlq_commands()),
        ("tasks", task_commands()),
    )
    for name, commands in groups_of_commands:
        app.add_typer(commands, name=name)
    add_extension_commands(app, state, taken=(*_COMMANDS, "topology", "dlq", "tasks"))
    return app


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "anymq"
    return f"{error.format_message()} (see '{path} --help')"


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"anymq {version('anymq')}")
        raise typer.Exit


def _options(
    context: typer.Context,
    plugin: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py:OBJECT", help="Use a backend that is not installed."),
    ] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where errors arise.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """One application, any broker: look after AnyMQ applications and their backends."""
    state = state_of(context)
    state.plugins = plugin or []
    state.show_traceback = traceback
