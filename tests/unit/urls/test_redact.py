"""No text made from a URL shows a secret."""

from __future__ import annotations

import logging
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.urls import is_secret_name, parse_url, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("amqp://guest:s3cret@localhost/", "amqp://guest:***@localhost"),
        ("amqp://:s3cret@localhost/x%20y", "amqp://:***@localhost/x%20y"),
        ("amqp://name@localhost", "amqp://name@localhost"),
        ("amqp://a%40b:s3cret@localhost", "amqp://a%40b:***@localhost"),
        ("sqlite:////var/anymq.db", "sqlite:////var/anymq.db"),
        ("sqlite:///./anymq.db", "sqlite:///./anymq.db"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
        ("redis://[fe80::1%25eth0]", "redis://[fe80::1%25eth0]"),
        ("redis://%2Frun%2Fredis.sock", "redis://%2Frun%2Fredis.sock"),
        ("kafka://u:s3cret@h1:1,h2:2/x", "kafka://u:***@h1:1,h2:2/x"),
        (
            "kafka://h?sasl_password=s3cret&ssl=true&API_KEY=s3cret",
            "kafka://h?sasl_password=***&ssl=true&API_KEY=***",
        ),
        ("redis://user:s3cret@ho st", "redis://***"),
        ("redis://user:12/s3cret@host", "redis://***"),
        ("user:s3cret@host", "***"),
        ("s3cret", "***"),
    ],
)
def test_redacted_text(text: str, shown: str) -> None:
    """Passwords are masked; what is no URL is masked whole."""
    assert redact(text) == shown


@given(st.text(min_size=6, max_size=12, alphabet=st.characters(min_codepoint=33)))
def test_no_raw_password_survives(password: str) -> None:
    """Whatever a password holds, encoded or not, its text does not come through."""
    marked = f"Zq{password}qZ"

    for text in (f"redis://user:{marked}@host:6379/0", f"redis://:{marked}@host"):
        assert marked not in redact(text)


def test_repr_str_format_log_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """All the ways in which an object becomes text are safe."""
    url = parse_url("amqp://guest:s3cret@localhost/?token=s3cret")

    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("url %s %r", url, url)
    try:
        raise RuntimeError(url)
    except RuntimeError:
        trace = traceback.format_exc()

    assert "s3cret" not in f"{url} {url!r} {url.password}" + caplog.text + trace
    assert repr(url) == "BackendUrl('amqp://guest:***@localhost?token=***')"


def test_secret_names() -> None:
    """Keys that sound secret are treated so, whatever their case."""
    assert all(map(is_secret_name, ["password", "SASL_PASSWORD", "token", "client_secret"]))
    assert not any(map(is_secret_name, ["prefetch", "host", "partition_key_hash"]))
