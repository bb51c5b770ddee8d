"""docs/newsstand.md says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from newsstand.cli.commands import _build
from newsstand.desk import build_desk
from newsstand.settings import NewsstandSettings, load_settings
from newsstand.web.application import create_application

PAGE = Path(__file__).resolve().parents[2] / "docs" / "newsstand.md"


def _section(title: str) -> str:
    return PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_key_is_described() -> None:
    """And none that is not there."""
    described = set()
    for row in re.findall(r"^\| (`.*?) \|", _section("Configuration"), re.MULTILINE):
        described |= set(re.findall(r"`(\w+)`", row))

    assert described == set(NewsstandSettings.model_fields)


def test_every_path_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the OpenAPI document, without the prefix."""
    monkeypatch.chdir(tmp_path)
    paths = create_application(build_desk(load_settings())).openapi()["paths"]

    described = set(re.findall(r"`(?:GET |POST )?(/[\w/]+)", _section("The HTTP interface")))

    assert {path.removeprefix("/api") for path in paths} <= described


def test_every_command_is_described() -> None:
    """Groups with their commands."""
    command = typer.main.get_command(_build())
    names = set()
    for name, found in command.commands.items():
        inner = getattr(found, "commands", None)
        names |= {f"{name} {sub}" for sub in inner} if inner else {name}

    described = set(re.findall(r"^\| `newsstand ([a-z]+(?: [a-z]+)?)", _section("Commands"), re.M))

    assert described == names
