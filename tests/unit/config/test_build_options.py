"""A plugin's options come from URL and table, checked before anything is opened."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, model_validator

from anymq.config import build_options, load_settings
from anymq.errors import ConfigError
from anymq.options import BackendOptions, Field, SecretStr
from anymq.urls import parse_url


class _Level(Enum):
    LOW = "low"
    HIGH = "high"


class _Client(BaseModel):
    name: str = ""
    token: SecretStr | None = None


class _Options(BackendOptions):
    prefetch: int = Field(default=100, ge=1, le=1000)
    heartbeat_s: float = Field(default=10, gt=0, lt=100)
    tls: bool = False
    mode: Literal["a", "b"] = "a"
    level: _Level = _Level.LOW
    hosts: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    extra: dict[str, int] = Field(default_factory=dict)
    limit: int | str = 0
    token: SecretStr | None = None
    ca_file: Path | None = None
    retries: int | None = None
    client: _Client = _Client()

    @model_validator(mode="after")
    def _consistent(self) -> _Options:
        if self.retries == 13:
            raise ValueError(f"retries and token {self.secret('token')} do not fit together")
        return self


class _Needs(BackendOptions):
    bucket: str


def _build(url: str, **table: object) -> _Options:
    return build_options(_Options, parse_url(url), table, where="broker.url", path="broker")


def test_parts_of_the_url() -> None:
    """Host, port, credentials and path fill the fields of the same name."""
    options = _build("redis+x://us%40er:p%2Fw@[::1]:99/0")

    assert (options.scheme, options.host, options.port) == ("redis+x", "::1", 99)
    assert (options.username, options.secret("password"), options.path) == ("us@er", "p/w", "0")
    assert options.secret("username") == "us@er"


def test_text_of_the_query_is_converted() -> None:
    """Numbers, booleans, choices, lists and tables can be written in a URL."""
    options = _build(
        "x://h?prefetch=5&heartbeat_s=2.5&tls=yes&mode=b&level=high&hosts=a,%20b&tags=[%22t%22]"
        "&extra=%7B%22k%22:1%7D&limit=x&token=12345&ca_file=/ca&retries=2"
    )

    assert (options.prefetch, options.heartbeat_s, options.tls, options.mode) == (5, 2.5, True, "b")
    assert (options.level, options.hosts) == (_Level.HIGH, ("a", "b"))
    assert options.tags == frozenset({"t"})
    assert (options.extra, options.limit, options.secret("token")) == ({"k": 1}, "x", "12345")
    assert (options.ca_file, options.retries) == (Path("/ca"), 2)


def test_table_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's types are meant; a secret may be in a file; a plugin's own ``_file`` key stays."""
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "anymq.toml").write_text(
        '[anymq.broker]\nurl = "x://h"\nprefetch = 5\nheartbeat_s = 3\nlevel = "high"\n'
        'hosts = ["a", "b"]\nextra = { k = 1 }\nca_file = "ca.pem"\ntoken_file = "token"\n'
        'client = { name = "n", token = "s3cret" }\n'
    )
    monkeypatch.setenv("ANYMQ_BROKER__TLS", "true")
    settings = load_settings().broker
    assert settings.url is not None

    options = build_options(_Options, settings.url, settings.options, where="broker.url")

    assert (options.prefetch, options.heartbeat_s, options.tls) == (5, 3.0, True)
    assert (options.level, options.hosts, options.extra) == (_Level.HIGH, ("a", "b"), {"k": 1})
    assert (options.ca_file, options.secret("token")) == (Path("ca.pem"), "s3cret")
    assert options.client.name == "n"
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("x://h?prefetc=5", r"^broker\.url: query key 'prefetc': unknown key .*'prefetch'"),
        (
            "x://h?prefetch=0",
            r"^broker\.url: .*'prefetch': must be a whole number from 1 to",
        ),
        ("x://h?prefetch=lots", r"must be a whole number from 1 to 1000, not \"lots\""),
        ("x://h?heartbeat_s=100", r"must be a number above 0 and below 100, not \"100\""),
        ("x://h?heartbeat_s=nan", r"must be a number above 0"),
        ("x://h?mode=c", r"must be one of 'a', 'b', not \"c\""),
        ("x://h?extra=%7Bnope", r"must be a table, not"),
        ("x://h?extra=%7B%22k%22:%22x%22%7D", r"must be a table \(k: Input should be a valid int"),
        ("x://h?extra=s3cret", r"must be a table"),
        (
            "x://h?connect_timeout_s=0",
            r"must be a number above 0 and at most 300",
        ),
        ("x://h?port=70000", r"must be a whole number from 1 to 65535"),
        ("x://h:1?port=2", r"'port' is given twice, also by broker\.url: port; keep one"),
        ("x://u:s3cret@h?password=s3cret", r"'password' is given twice"),
        ("x://u:s3cret@h?password_file=f", r"'password' is given too; keep one"),
        ("x://h?scheme=y", r"'scheme' is given twice"),
        ("x://h?token=s3cret&retries=13", r"^broker: retries and token \*\*\* do not fit"),
    ],
)
def test_mistakes_in_the_url(url: str, says: str) -> None:
    """C02, CFG-09: the query is held to the plugin's model; no secret comes through."""
    with pytest.raises(ConfigError, match=says) as caught:
        _build(url)

    assert "s3cret" not in str(caught.value).replace('not "s3cret"', "")
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("prefetch", True, r"^option 'prefetch': must be a whole number from 1 to 1000, not true"),
        ("prefetch", "5", r"must be a whole number .*, not \"5\""),
        ("prefetch", 5.5, r"must be a whole number"),
        ("heartbeat_s", float("inf"), r"must be a number above 0 and below 100"),
        ("limit", 1.5, r"must be a whole number or a text"),
        ("token", 5, r"^option 'token': must be a text$"),
        ("hosts", [1], r"must be a list \(0: Input should be a valid string\)"),
        ("client", {"nam": 1}, r"^option 'client\.nam': unknown key 'nam' .*'name'"),
        ("nothing", 1, r"^option 'nothing': unknown key 'nothing'$"),
    ],
)
def test_mistakes_in_the_table(key: str, value: object, says: str) -> None:
    """C03: types are meant as they are given."""
    with pytest.raises(ConfigError, match=says):
        _build("x://h", **{key: value})


def test_missing_required_option() -> None:
    """CFG-08: it is named before any I/O."""
    with pytest.raises(ConfigError, match=r"the key 'stream\.bucket' is missing: it must be"):
        build_options(_Needs, parse_url("s3://h"), path="stream")
    with pytest.raises(ConfigError, match=r"the key 'bucket' is missing"):
        build_options(_Needs, parse_url("s3://h"))


def test_infinite_numbers_are_refused_where_no_limit_is_set() -> None:
    """A duration without an upper limit still has to be a number one can wait for."""

    class Unlimited(BackendOptions):
        wait_s: float = Field(default=1, gt=0)

    with pytest.raises(ConfigError, match=r"must be a number above 0, and finite"):
        build_options(Unlimited, parse_url("x://h?wait_s=inf"))
