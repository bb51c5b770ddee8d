"""Extensions may bring commands; what cannot be one is told of and left out."""

from __future__ import annotations

import logging

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.plugins.conftest import Site

EXTENSION = """
    import typer
    from anymq.plugins import hookimpl

    tools = typer.Typer(help="Further tools.")

    @tools.command()
    def count(context: typer.Context, number: int) -> None:
        typer.echo(f"counted {number}")

    @tools.command()
    def other() -> None:
        pass

    def hello() -> None:
        "Say hello."
        typer.echo("hello")

    @hookimpl
    def anymq_commands():
        return RESULT
"""


def _install(site: Site, result: str) -> None:
    site.module("ext_commands", EXTENSION.replace("RESULT", result))
    site.distribution("anymq-tools", {"tools": "ext_commands"}, group="anymq.extensions")


def test_commands_are_added(run: Run, site: Site) -> None:
    """Typer applications and plain functions."""
    _install(site, "{'tools': tools, 'hello': hello}")

    assert run("tools", "count", "3").out == "counted 3\n"
    assert run("hello").out == "hello\n"
    assert "Further tools." in run("--help").out


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ("{'doctor': hello, 'hello': hello}", "there is a command 'doctor' already"),
        ("{'dlq': tools, 'hello': hello}", "there is a command 'dlq' already"),
        ("{'number': 7, 'hello': hello}", "command 'number' is no typer application"),
        ("7", "anymq_commands must return a mapping"),
        ("1 / 0", "is left out: ZeroDivisionError"),
    ],
)
def test_what_does_not_fit_is_left_out(
    run: Run, site: Site, caplog: pytest.LogCaptureFixture, result: str, says: str
) -> None:
    """The command line works on, and the extension is named."""
    _install(site, result)

    with caplog.at_level(logging.WARNING):
        backends = run("backends")
        hello = run("hello")

    assert backends.code == 0
    assert hello.code == (0 if "'hello'" in result else 2)
    assert says in caplog.text
    assert "'tools' of anymq-tools 1.2" in caplog.text
