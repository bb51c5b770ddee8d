"""Exit codes and errors: one clear line, no traceback, no secret."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anymq.cli.state import State
from anymq.errors import ConfigError
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_lists_the_commands(run: Run, arguments: tuple[str, ...]) -> None:
    """No arguments at all are a question, too."""
    result = run(*arguments)

    assert result.code == 0
    for name in ("run", "doctor", "backends", "topology", "dlq", "groups", "tail", "conform"):
        assert f"\n  {name} " in result.out


def test_every_command_has_help(run: Run) -> None:
    """Each command explains itself."""
    for command in (
        ["run"],
        ["doctor"],
        ["backends"],
        ["config"],
        ["groups"],
        ["publish"],
        ["tail"],
        ["conform"],
        *(["topology", name] for name in ("apply", "verify", "show", "prune")),
        *(["dlq", name] for name in ("ls", "show", "replay", "purge")),
    ):
        result = run(*command, "--help")
        assert result.code == 0
        assert result.out.startswith(f"Usage: anymq {' '.join(command)} ")


def test_version(run: Run) -> None:
    """--version tells the distribution's."""
    assert run("--version").out.startswith("anymq 0.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["publis"], "No such command 'publis'. Did you mean 'publish'? (see 'anymq --help')"),
        (["doctor", "--jsn"], "No such option: --jsn"),
        (["publish", "orders"], "Missing argument 'body'. (see 'anymq publish --help')"),
        (["dlq"], "Missing command. (see 'anymq dlq --help')"),
        (["run", "shop:app", "--processes", "0"], "Invalid value for '--processes'"),
        (["groups", "--url", "nonsense"], "argument 'url': this is no backend URL"),
        (["groups", "--url", "redsi://u:s3cret@h"], "url: no installed backend has the URL scheme"),
        (
            ["groups", "--url", "memory://x?leas_s=1"],
            "unknown key 'leas_s' (did you mean 'lease_s'",
        ),
        (["groups"], "no backend is configured: set 'url'"),
        (["topology", "show", "shop"], ""),
        (["topology", "show", "shop:nothing"], "'shop:nothing': there is no 'nothing'"),
        (["topology", "show", "shop:not_an_app"], "'shop:not_an_app' is a int, not an anymq.App"),
        (["topology", "show", "shpo:app"], "there is no module 'shpo'"),
        (["--plugin", "nothing.py:x", "backends"], "there is no Python file 'nothing.py'"),
        (["--plugin", "shop:not_an_app", "backends"], "plugin 'shop:not_an_app' yields no backend"),
        (["run", "shop:app", "--reload", "--processes", "2"], "--reload watches one process"),
    ],
)
def test_mistakes_are_one_line_and_code_2(
    run: Run, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C01: usage, configuration and plugin mistakes."""
    monkeypatch.setenv("ANYMQ_PLUGINS", "memory")  # not the embedded default, which needs no URL

    result = run(*arguments)

    if not says:
        assert (result.code, result.err) == (0, "")
        return
    assert result.code == 2
    assert result.err.startswith("anymq: error: ")
    assert result.err.count("\n") == 1
    assert says in result.err
    assert "s3cret" not in result.err
    assert result.out == ""


def test_mistake_in_the_file_stops_every_command(run: Run, folder: Path) -> None:
    """The key is named, wherever the configuration is read."""
    (folder / "anymq.toml").write_text('[anymq]\nulr = "redis://u:s3cret@h"\n')

    for arguments in (["config"], ["groups"], ["publish", "t", "1"], ["dlq", "ls", "t", "g"]):
        result = run(*arguments)
        assert (result.code, result.out) == (2, "")
        assert "anymq.toml: [anymq] ulr: unknown key 'ulr' (did you mean 'url'?)" in result.err
        assert "s3cret" not in result.err


def test_traceback_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--traceback lets the error through, with its cause."""
    monkeypatch.setenv("ANYMQ_PLUGINS", "memory")

    with pytest.raises(ConfigError):
        run("--traceback", "groups")


def test_one_registry_for_a_command() -> None:
    """Whatever asks for it gets the same, and a second start of the module starts nothing."""
    state = State()

    assert state.registry() is state.registry()
    assert importlib.import_module("anymq.cli.__main__").__all__ == []


def test_as_a_program(folder: Path) -> None:
    """The installed script and ``python -m anymq.cli`` end with the command's code."""
    script = str(Path(sys.executable).with_name("anymq"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANYMQ_")}
    environment["ANYMQ_PLUGINS"] = "memory"
    for program in ([script], [sys.executable, "-m", "anymq.cli"]):
        done = subprocess.run(
            [*program, "groups"],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            cwd=folder,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("anymq: error: no backend is configured")
