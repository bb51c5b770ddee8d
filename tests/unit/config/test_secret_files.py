"""Secrets may stand in files; a file that cannot be right stops the start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from anymq.config import load_settings
from anymq.errors import ConfigError
from anymq.urls import parse_url


def test_secrets_from_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C05: the newline at the end is not part of the secret; links are followed."""
    (folder / "url").write_text("redis://:s3cret@host\n")
    (folder / "k1").write_bytes(b"s3cret key \r\n")
    (folder / "link").symlink_to("k1")
    for name in ("url", "k1"):
        (folder / name).chmod(0o600)
    (folder / "anymq.toml").write_text(
        '[anymq]\nurl = "redis://low"\n[anymq.signing]\nactive = "a"\nkeys = { a_file = "link" }\n'
    )
    monkeypatch.setenv("ANYMQ_URL_FILE", "url")

    settings = load_settings()

    assert settings.url == parse_url("redis://:s3cret@host")
    assert settings.signing is not None
    assert settings.signing.keys["a"].get_secret_value() == "s3cret key "


def test_a_value_replaces_the_file_of_a_lower_layer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable ANYMQ_URL goes before url_file in the file."""
    (folder / "anymq.toml").write_text('[anymq]\nurl_file = "missing"\n')
    monkeypatch.setenv("ANYMQ_URL", "redis://high")

    assert load_settings().url == parse_url("redis://high")


def test_exposed_secret_file_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """C05: a file that everybody may read works, with a warning that names the key."""
    (folder / "url").write_text("redis://:s3cret@host")
    (folder / "url").chmod(0o644)
    (folder / "anymq.toml").write_text('[anymq]\nurl_file = "url"\n')

    with caplog.at_level(logging.WARNING):
        assert load_settings().url is not None

    assert "[anymq] url_file: everybody on this machine may read the secret" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'url_file = "missing"',
            r"\[anymq\] url_file: the file 'missing' cannot be read \(No such",
        ),
        ('url_file = "empty"', r"the file 'empty' is empty"),
        ('url_file = "newline"', r"the file 'newline' is empty"),
        ('url_file = "."', r"the file '\.' is not a regular file"),
        ('url_file = "large"', r"the file 'large' is larger than 65536 bytes"),
        ('url_file = "binary"', r"the file 'binary' is no UTF-8 text"),
        ('url_file = "nul\\u0000"', r"cannot be read \(.*embedded null (byte|character)"),
        ("url_file = 3", r"url_file: must be the path of a file"),
        ('url = "redis://h"\nurl_file = "empty"', r"url_file: 'url' is given too; keep one"),
    ],
)
def test_secret_files_that_are_refused(folder: Path, line: str, says: str) -> None:
    """C05: missing, empty, no file, too large, no text, or given twice."""
    (folder / "empty").write_text("")
    (folder / "newline").write_text("\n")
    (folder / "large").write_text("x" * 70_000)
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "anymq.toml").write_text(f"[anymq]\n{line}\n")

    with pytest.raises(ConfigError, match=says):
        load_settings()
