"""Backend URLs are read by RFC 3986, or refused with a text that helps and leaks nothing."""

from __future__ import annotations

import pytest

from anymq.errors import ConfigError
from anymq.urls import BackendUrl, parse_url


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("redis://localhost:6379/0", "localhost", 6379, "0"),
        ("REDIS://LocalHost", "LocalHost", None, ""),
        ("amqp://localhost/", "localhost", None, ""),
        ("amqp://localhost/%2F", "localhost", None, "/"),
        ("amqp://localhost/a%20b", "localhost", None, "a b"),
        ("memory://", "", None, ""),
        ("memory://name", "name", None, ""),
        ("sqlite:///./anymq.db", "", None, "./anymq.db"),
        ("sqlite:///var/anymq.db", "", None, "var/anymq.db"),
        ("sqlite:////var/anymq.db", "", None, "/var/anymq.db"),
        ("redis://[::1]:6379", "::1", 6379, ""),
        ("redis://[::1]", "::1", None, ""),
        ("redis://[fe80::1%25eth0]:1", "fe80::1%eth0", 1, ""),
        ("redis://%2Frun%2Fredis.sock/1", "/run/redis.sock", None, "1"),
        ("redis://host:/0", "host", None, "0"),
        ("kafka://h1:9092,h2:9092", "h1:9092,h2:9092", None, ""),
        ("kafka://h1,[::1]:9092/x", "h1,[::1]:9092", None, "x"),
        ("  redis://spaced  ", "spaced", None, ""),
    ],
)
def test_host_port_and_path(text: str, host: str, port: int | None, path: str) -> None:
    """Names, IPv6, sockets, several hosts, relative and absolute paths are all understood."""
    url = parse_url(text)

    assert (url.host, url.port, url.path) == (host, port, path)
    assert url.scheme == text.strip().partition(":")[0].lower()


@pytest.mark.parametrize(
    ("userinfo", "username", "password"),
    [
        ("guest:guest@", "guest", "guest"),
        (":only@", None, "only"),
        ("name@", "name", None),
        ("name:@", "name", ""),
        ("a%40b:p%40%3A%2F%23%25%3F@", "a@b", "p@:/#%?"),
        ("user:a:b@", "user", "a:b"),
        ("user:caf%C3%A9@", "user", "café"),
        ("@", None, None),
        ("", None, None),
    ],
)
def test_credentials_are_decoded(userinfo: str, username: str | None, password: str | None) -> None:
    """User and password are percent-decoded; the password is kept as a secret."""
    url = parse_url(f"amqp://{userinfo}localhost/")

    assert url.username == username
    assert (None if url.password is None else url.password.get_secret_value()) == password


def test_credentials_stand_before_several_hosts() -> None:
    """One userinfo belongs to all hosts."""
    url = parse_url("kafka://u:p@h1:1,h2:2")

    assert (url.username, url.host) == ("u", "h1:1,h2:2")


def test_query_is_decoded() -> None:
    """Keys and values are percent-decoded; '+' stays a plus; the order is kept."""
    url = parse_url("memory://x?b=1%202&a=x+y&empty=&")

    assert url.query == {"b": "1 2", "a": "x+y", "empty": ""}
    assert list(url.query) == ["b", "a", "empty"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must look like"),
        ("redis", "must look like"),
        ("localhost:6379", "must look like"),
        ("user:s3cret@host:6379", "must look like"),
        ("1redis://s3cret", "must look like"),
        ("redis://host:0", "port outside 1 to 65535"),
        ("redis://host:70000", "port outside 1 to 65535"),
        ("redis://host:" + "9" * 5000, "port outside 1 to 65535"),
        ("redis://user:s3cret", "port that is no number"),
        ("redis://host:6379:s3cret", "port that is no number"),
        ("redis://host:٣", "port that is no number"),
        ("redis://[::1]s3cret", "port that is no number"),
        ("redis://[::1", "neither a name nor [IPv6]"),
        ("redis://[s3cret]", "neither a name nor [IPv6]"),
        ("redis://user:p@s3cret@host", "not percent-encoded"),
        ("redis://user:12/s3cret@host", "not percent-encoded"),
        ("redis://user:12?s3cret=1@host", "not percent-encoded"),
        ("redis://user:12#s3cret@host", "has a '#'"),
        ("redis://user:100%s3cret@host", "without two hex digits"),
        ("redis://host/0#s3cret", "has a '#'"),
        ("redis://ho st", "percent-encode it"),
        ("redis://host/a\nb", "must look like"),
        ("redis://host/a\tb", "percent-encode it"),
        ("redis://user:%FFs3cret@host", "no UTF-8"),
        ("kafka://h1:1,,h2:2", "empty host"),
        ("kafka://h1:1,h2:99999", "port outside"),
        ("redis://host?a", "'a' without a value"),
        ("redis://host?a=s3cret&a=2", "'a' twice"),
    ],
)
def test_what_is_wrong_is_named_without_the_secret(text: str, says: str) -> None:
    """Every refusal tells the fault and repeats nothing that may be a password."""
    with pytest.raises(ConfigError) as caught:
        parse_url(text)

    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_urls_compare_by_value() -> None:
    """Two parses of one text are equal."""
    assert parse_url("redis://u:p@h/0?a=1") == parse_url("redis://u:p@h/0?a=1")
    assert BackendUrl("redis") != BackendUrl("kafka")
