"""File, environment and arguments, in this order; every fault names key and place."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from anymq.config import RoleSettings, Settings, load_settings
from anymq.errors import ConfigError
from anymq.topology import TopologyMode
from anymq.urls import parse_url

FULL = """
[anymq]
url = "sqlite:///var/anymq.db"
namespace = "shop"
topology = "verify"
allow_emulation = false
cloudevents = "binary"
codec = "msgpack"
grace_s = 5
connect = "background"
connect_wait_s = 2.5
[anymq.broker]
url = "amqp://guest:s3cret@localhost/"
heartbeat_s = 10
client = { name = "x" }
[anymq.tasks]
url = "redis://localhost:6379/0"
store = "postgresql://u:s3cret@localhost/jobs"
[anymq.stream]
url = "kafka://localhost:9092"
[anymq.subscribers.register]
concurrency = 32
retry = { max_attempts = 2, first_delay_s = 0.5 }
[anymq.encryption]
active = "k2"
keys = { k1 = "s3cret-1", k2 = "s3cret-2" }
"""


def test_nothing_configured_gives_the_defaults() -> None:
    """Without file and variables the documented defaults hold."""
    settings = load_settings()

    assert settings.url is None
    assert settings.topology is TopologyMode.MANAGE
    assert (settings.grace_s, settings.connect, settings.connect_wait_s) == (30, "wait", 30)
    assert (settings.allow_emulation, settings.cloudevents, settings.codec) == (True, "off", "json")
    assert settings == Settings()


def test_a_full_file(folder: Path) -> None:
    """Every table and key of anymq.toml arrives, typed."""
    (folder / "anymq.toml").write_text(FULL)

    settings = load_settings()

    assert settings.url == parse_url("sqlite:///var/anymq.db")
    assert settings.topology is TopologyMode.VERIFY
    assert (settings.namespace, settings.codec, settings.cloudevents) == (
        "shop",
        "msgpack",
        "binary",
    )
    assert (settings.grace_s, settings.connect, settings.connect_wait_s) == (5, "background", 2.5)
    assert settings.role("broker").url == parse_url("amqp://guest:s3cret@localhost/")
    assert set(settings.broker.options) == {"heartbeat_s", "client"}
    assert settings.tasks.store == parse_url("postgresql://u:s3cret@localhost/jobs")
    assert settings.role("stream").url == parse_url("kafka://localhost:9092")
    assert settings.role("tasks") is settings.tasks
    register = settings.subscribers["register"]
    assert (register.concurrency, register.prefetch) == (32, None)
    assert (register.retry.max_attempts, register.retry.first_delay_s) == (2, 0.5)
    assert settings.encryption is not None
    assert settings.encryption.keys["k2"].get_secret_value() == "s3cret-2"


def test_no_text_of_the_settings_shows_a_secret(folder: Path) -> None:
    """CFG-11: repr, str and a dump are safe."""
    (folder / "anymq.toml").write_text(FULL.replace("heartbeat_s = 10", 'password = "s3cret"'))
    settings = load_settings()

    for text in (
        repr(settings),
        str(settings),
        repr(settings.model_dump()),
        f"{settings.broker!r}",
    ):
        assert "s3cret" not in text


def test_later_layers_win(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C06: arguments over environment over file, key by key."""
    (folder / "anymq.toml").write_text(
        '[anymq]\nurl = "redis://file"\ngrace_s = 1\nnamespace = "file"\n'
        '[anymq.broker]\nurl = "amqp://file"\nheartbeat_s = 1\n'
    )
    monkeypatch.setenv("ANYMQ_GRACE_S", "2")
    monkeypatch.setenv("ANYMQ_BROKER__HEARTBEAT_S", "2")
    monkeypatch.setenv("ANYMQ_SUBSCRIBERS__REGISTER__RETRY__MAX_ATTEMPTS", "7")
    monkeypatch.setenv("ANYMQ_CODEC", "")

    settings = load_settings(namespace="code", subscribers={"register": {"concurrency": 4}})

    assert (settings.namespace, settings.grace_s, settings.codec) == ("code", 2, "json")
    assert settings.url == parse_url("redis://file")
    assert settings.broker.url == parse_url("amqp://file")
    assert repr(settings.broker.options["heartbeat_s"]) == "Given('ANYMQ_BROKER__HEARTBEAT_S')"
    assert settings.subscribers["register"].concurrency == 4
    assert settings.subscribers["register"].retry.max_attempts == 7


def test_url_in_the_code_is_for_every_role(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """App("redis://…") says it outright; other backends' options do not follow."""
    (folder / "anymq.toml").write_text(FULL)
    monkeypatch.setenv("ANYMQ_TASKS__URL", "kafka://elsewhere")

    settings = load_settings(url="memory://x")

    assert settings.url == parse_url("memory://x")
    assert settings.broker == RoleSettings()
    assert settings.tasks.url is settings.tasks.store is None
    assert settings.namespace == "shop"


def test_url_in_the_environment_leaves_the_roles_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role's own URL is more specific than that of all roles."""
    (folder / "anymq.toml").write_text(FULL)
    monkeypatch.setenv("ANYMQ_URL", "memory://x")

    settings = load_settings()

    assert settings.url == parse_url("memory://x")
    assert settings.broker.url == parse_url("amqp://guest:s3cret@localhost/")


def test_objects_are_taken_as_arguments() -> None:
    """Code may pass parsed URLs, models, enums and secrets."""
    settings = load_settings(
        url=parse_url("redis://:s3cret@host"),
        stream=RoleSettings(url="kafka://host"),
        topology=TopologyMode.ASSUME,
        signing={"active": "a", "keys": {"a": SecretStr("s3cret")}},
    )

    assert settings.url == parse_url("redis://:s3cret@host")
    assert settings.stream.url == parse_url("kafka://host")
    assert settings.topology is TopologyMode.ASSUME
    assert Settings(url=SecretStr("redis://x")).url == parse_url("redis://x")


def test_pyproject_counts_when_it_has_the_table(folder: Path) -> None:
    """[tool.anymq] is read; anymq.toml goes before it; other tables do not matter."""
    pyproject = folder / "pyproject.toml"
    pyproject.write_text('[project]\nname = "x"\n')
    assert load_settings().namespace == ""

    pyproject.write_text('[tool.ruff]\nline-length = 100\n[tool.anymq]\nnamespace = "py"\n')
    assert load_settings().namespace == "py"

    (folder / "anymq.toml").write_text('[anymq]\nnamespace = "toml"\n')
    assert load_settings().namespace == "toml"


def test_parent_folders_are_not_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the working directory counts."""
    (folder / "anymq.toml").write_text('[anymq]\nnamespace = "up"\n')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")

    assert load_settings().namespace == ""


def test_a_named_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANYMQ_CONFIG names the file, in either form; a missing one stops the start."""
    (folder / "anymq.toml").write_text('[anymq]\nnamespace = "here"\n')
    (folder / "other.toml").write_text('[anymq]\nnamespace = "other"\n')
    monkeypatch.setenv("ANYMQ_CONFIG", str(folder / "other.toml"))
    assert load_settings().namespace == "other"

    monkeypatch.setenv("ANYMQ_CONFIG", "missing.toml")
    with pytest.raises(ConfigError, match=r"ANYMQ_CONFIG: there is no file 'missing\.toml'"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[anymq]\nurll = 's3cret'\n", r"anymq.toml: \[anymq\] urll: unknown key 'urll' .*'url'"),
        (
            "[anymq.borker]\nurl = 's3cret'\n",
            r"\[anymq\.borker\] url: unknown key 'borker' .*broker",
        ),
        ("[anymq.borker]\n", r"configuration: unknown key 'borker'"),
        (
            "[anymq.subscribers.x]\nconcurency = 1\n",
            r"\[anymq\.subscribers\.x\] concurency: unknown key .*'concurrency'",
        ),
        (
            "[anymq.subscribers.x.retry]\nattempts = 1\n",
            r"\[anymq\.subscribers\.x\.retry\] attempts: unknown key .*'max_attempts'",
        ),
        (
            "[anymqq]\nurl = 's3cret'\n",
            r"anymq.toml: 'anymqq' must stand below the table \[anymq\]",
        ),
        ("url = 's3cret'\n", r"'url' must stand below the table \[anymq\]"),
        ("anymq = 1\n", r"'anymq' must be a table"),
        ("[anymq\n", r"anymq\.toml: cannot be read as TOML: .*line 1"),
        ("[anymq]\nbroker = 's3cret'\n", r"\[anymq\] broker: must be a table"),
        ("[anymq]\nsubscribers = { x = 1 }\n", r"\[anymq\.subscribers\] x: must be a table"),
        ("[anymq]\nsubscribers = 3\n", r"\[anymq\] subscribers: must be a table, not 3"),
        ("[anymq]\nurl = 3\n", r"\[anymq\] url: must be a backend URL, as a text"),
        ("[anymq]\nurl = 'redis://u:s3cret@h:99999'\n", r"\[anymq\] url: .*port outside 1 to"),
        ("[anymq]\ngrace_s = true\n", r"grace_s: must be a number from 0 to 86400.*, not true"),
        ("[anymq]\ngrace_s = '5 sec'\n", r"grace_s: must be a number .*, not \"5 sec\""),
        ("[anymq]\ngrace_s = -1\n", r"grace_s: must be a number from 0 .*, not -1"),
        ("[anymq]\ngrace_s = nan\n", r"grace_s: must be a number from 0"),
        ("[anymq]\ngrace_s = inf\n", r"grace_s: must be a number from 0"),
        ("[anymq]\nallow_emulation = 1\n", r"allow_emulation: must be true or false, not 1"),
        ("[anymq]\ntopology = 'all'\n", r"one of 'manage', 'verify', 'assume', not \"all\""),
        ("[anymq]\nconnect = 'no'\n", r"connect: must be one of 'wait', 'background', not"),
        ("[anymq]\nnamespace = 'A.b'\n", r"namespace: must be a text matching .*, not \"A\.b\""),
        ("[anymq]\ncodec = ''\n", r"codec: must be a text of length at least 1, not"),
        ("[anymq.encryption]\nkeys = { a = 's3cret' }\n", r"'encryption\.active' is missing: it"),
        (
            "[anymq.encryption]\nactive = 'b'\nkeys = { a = 's3cret' }\n",
            r"encryption: active names the key 'b', the keys are 'a'",
        ),
        ("[anymq.signing]\nactive = 'a'\nkeys = { a = 7 }\n", r"signing\.keys\] a: must be a text"),
        ("[anymq.signing]\nactive = 'a'\nkeys = {}\n", r"signing\.keys: .*at least 1 item"),
    ],
)
def test_mistakes_in_the_file(folder: Path, text: str, says: str) -> None:
    """C03, CFG-09: unknown keys get a suggestion, wrong values their range; no secret is shown."""
    (folder / "anymq.toml").write_text(text)

    with pytest.raises(ConfigError, match=says) as caught:
        load_settings()

    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ANYMQ_URLL", "s3cret", r"^ANYMQ_URLL: there is no such setting .*'ANYMQ_URL'"),
        ("ANYMQ_GRACE", "1", r"^ANYMQ_GRACE: there is no such setting .*'ANYMQ_GRACE_S'"),
        ("ANYMQ_GRACE_S", "5 sec", r"^ANYMQ_GRACE_S: must be a number from 0 to 86400.*\"5 sec\""),
        ("ANYMQ_GRACE_S", "nan", r"^ANYMQ_GRACE_S: must be a number from 0"),
        ("ANYMQ_GRACE_S", "1e999", r"^ANYMQ_GRACE_S: must be a number from 0"),
        ("ANYMQ_ALLOW_EMULATION", "perhaps", r"must be true or false, not \"perhaps\""),
        ("ANYMQ_URL", "s3cret", r"^ANYMQ_URL: this is no backend URL"),
        ("ANYMQ_BROKER__URL", "redis://u:s3cret", r"^ANYMQ_BROKER__URL: .*port that is no number"),
        ("ANYMQ_BROKER", "redis://u:s3cret@h", r"^ANYMQ_BROKER: must be a table"),
        ("ANYMQ_GRACE_S__X", "1", r"^ANYMQ_GRACE_S__X: must be a number"),
    ],
)
def test_mistakes_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """Variables are held to the same rules, and named."""
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=says) as caught:
        load_settings()

    assert "s3cret" not in str(caught.value)


def test_variables_that_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the registry and the tests, and what an orchestrator sets, are left alone."""
    for name in (
        "ANYMQ_PLUGINS",
        "ANYMQ_TEST_REDIS_URL",
        "ANYMQ_SERVICES_DIR",
        "ANYMQ_SERVICE_HOST",
        "ANYMQ_REDIS_SERVICE_PORT_HTTP",
        "ANYMQ_PORT",
        "ANYMQ_REDIS_PORT_6379_TCP_ADDR",
    ):
        monkeypatch.setenv(name, "x")

    assert load_settings() == Settings()


def test_mistakes_in_arguments() -> None:
    """An argument's place is its name."""
    with pytest.raises(ConfigError, match=r"^argument 'grace': unknown key 'grace' .*'grace_s'"):
        load_settings(grace=3)
    with pytest.raises(ConfigError, match=r"^argument 'topology': must be one of .*, not 5"):
        load_settings(topology=5)
    with pytest.raises(ConfigError, match=r"^argument 'grace_s': must be a number"):
        load_settings(grace_s=object())
