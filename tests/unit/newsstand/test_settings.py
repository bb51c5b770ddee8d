"""What a deployment may decide, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from anymq import ConfigError
from newsstand.settings import CONFIG_FILE, load_settings


def test_defaults_serve_this_machine_only() -> None:
    """Nothing given: local address, local database, the prefix /api."""
    settings = load_settings()

    assert (settings.host, settings.port, settings.prefix) == ("127.0.0.1", 8000, "/api")
    assert settings.database_url == "sqlite:///./newsstand.db"
    assert settings.messaging_url == "memory://newsstand"


def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """File, environment, arguments; None as an argument was not given."""
    Path(CONFIG_FILE).write_text('port = 1\nprefix = "/file"\nmessaging = "memory://file"\n')
    monkeypatch.setenv("NEWSSTAND_PORT", "2")
    monkeypatch.setenv("NEWSSTAND_PREFIX", "/variable")

    settings = load_settings(port=3, prefix=None)

    assert (settings.port, settings.prefix) == (3, "/variable")
    assert settings.messaging_url == "memory://file"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "example.org", ""])
def test_other_machines_are_not_listened_to(host: str) -> None:
    """There is no sign-in yet."""
    with pytest.raises(ConfigError, match=r"host: .*sign-in"):
        load_settings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_every_address_of_this_machine_is(host: str) -> None:
    """IPv4, IPv6 and by name."""
    assert load_settings(host=host).host == host


@pytest.mark.parametrize("prefix", ["api", "/api/", "/a b", "/a?b"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    """It begins with a slash and does not end with one."""
    with pytest.raises(ConfigError, match="prefix"):
        load_settings(prefix=prefix)


def test_an_unknown_key_is_told_with_the_nearest_known_one() -> None:
    """In the file."""
    Path(CONFIG_FILE).write_text('mesaging = "memory://x"\n')

    with pytest.raises(ConfigError, match=r"'mesaging' \(did you mean 'messaging'\?\)"):
        load_settings()


def test_an_unknown_variable_is_told_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the environment, where a misspelt one would otherwise do nothing."""
    monkeypatch.setenv("NEWSSTAND_DATABSE", "sqlite:///x.db")

    with pytest.raises(ConfigError, match=r"NEWSSTAND_DATABSE \(did you mean 'database'\?\)"):
        load_settings()


def test_a_file_that_is_no_toml_is_named() -> None:
    """With its place."""
    Path(CONFIG_FILE).write_text("port = = 1")

    with pytest.raises(ConfigError, match=CONFIG_FILE):
        load_settings()


def test_no_secret_is_told() -> None:
    """Neither in an error nor in a repr."""
    with pytest.raises(ConfigError) as caught:
        load_settings(database="postgresql://me:swordfish@localhost/x")

    assert "swordfish" not in str(caught.value)
    assert "swordfish" not in repr(load_settings(messaging="redis://me:swordfish@localhost"))
