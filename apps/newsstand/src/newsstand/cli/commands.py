"""Building and running the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from anymq import AnyMQError, ConfigError, PluginError, UnsupportedError
from newsstand.cli.config import check
from newsstand.cli.database import seed, upgrade
from newsstand.cli.demo import demo
from newsstand.cli.serve import serve
from newsstand.errors import NewsstandError

__all__ = ["main"]

_FAILURE, _MISTAKE, _INTERRUPTED = 1, 2, 130
_MISTAKES = (ConfigError, PluginError, UnsupportedError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every expected error becomes one line on stderr and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(_build())
    try:
        code = command.main(given or ["--help"], prog_name="newsstand", standalone_mode=False)
    except TyperException as error:
        _tell(error.format_message())
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except (AnyMQError, NewsstandError) as error:
        _tell(str(error))
        return _MISTAKE if isinstance(error, _MISTAKES) else _FAILURE
    return code if isinstance(code, int) else 0


def _build() -> typer.Typer:
    app = typer.Typer(
        name="newsstand",
        help="A newspaper distribution office, on whichever messaging the configuration names.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.command("serve")(serve)
    app.command("demo")(demo)
    database = typer.Typer(help="Look after the database.", rich_markup_mode=None)
    database.command("upgrade")(upgrade)
    database.command("seed")(seed)
    app.add_typer(database, name="db")
    config = typer.Typer(help="Look after the configuration.", rich_markup_mode=None)
    config.command("check")(check)
    config.callback()(_config)
    app.add_typer(config, name="config")
    return app


def _config() -> None:
    """Look after the configuration."""


def _tell(text: str) -> None:
    typer.echo(f"newsstand: {text}", err=True)
