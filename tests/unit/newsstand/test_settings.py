"""What a deployment may decide, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from anymq import ConfigError
from newsstand.desk import build_desk
from newsstand.roles import messaging_settings, role_urls
from newsstand.settings import CONFIG_FILE, load_settings

READY = sorted((Path(__file__).parents[3] / "apps" / "newsstand" / "config").glob("*.toml"))


def test_defaults_serve_this_machine_only() -> None:
    """Nothing given: local address, local database, the prefix /api."""
    settings = load_settings()

    assert (settings.host, settings.port, settings.prefix) == ("127.0.0.1", 8000, "/api")
    assert settings.database_url == "sqlite:///./newsstand.db"
    assert settings.messaging_url == "sqlite:///./messaging.db"


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


@pytest.mark.parametrize("file", READY, ids=lambda file: file.stem)
async def test_a_ready_file_chooses_its_backend(file: Path) -> None:
    """One line of configuration, and nothing else differs."""
    scheme = {"rabbitmq": "amqp"}.get(file.stem, file.stem)

    desk = build_desk(load_settings(file))

    assert {url.partition(":")[0] for url in desk.roles.values()} == {scheme}


def test_every_backend_has_a_ready_file() -> None:
    """So nobody has to find out how its URL is written."""
    assert {file.stem for file in READY} == {"memory", "sqlite", "redis", "rabbitmq", "kafka"}


def test_another_file_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an argument, or else by the environment; newsstand.toml is not read then."""
    Path(CONFIG_FILE).write_text("port = 1\n")
    Path("other.toml").write_text("port = 2\n")
    Path("third.toml").write_text("port = 3\n")
    monkeypatch.setenv("NEWSSTAND_CONFIG", "third.toml")

    assert load_settings().port == 3
    assert load_settings(Path("other.toml")).port == 2


def test_a_named_file_has_to_be_there() -> None:
    """Else the defaults would serve, in silence, what nobody asked for."""
    with pytest.raises(ConfigError, match=r"there is no file 'nowhere.toml'"):
        load_settings(Path("nowhere.toml"))


def test_each_role_may_have_a_backend_of_its_own() -> None:
    """What names none gets the one for all."""
    settings = load_settings(broker="memory://b", stream="sqlite:///./s.db")

    assert role_urls(messaging_settings(settings)) == {
        "broker": "memory://b",
        "tasks": "sqlite:///./messaging.db",
        "stream": "sqlite:///./s.db",
    }


def test_a_backend_given_as_an_argument_is_for_every_role() -> None:
    """``--messaging`` means all of it, whatever the file says of single roles."""
    Path(CONFIG_FILE).write_text('stream = "sqlite:///./s.db"\n')

    urls = role_urls(messaging_settings(load_settings(messaging="memory://all")))

    assert set(urls.values()) == {"memory://all"}
