"""``anymq doctor``: finds what is wrong, whatever is broken, and shows no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import DRIVER, Run, Space
from tests.unit.plugins.conftest import PLUGIN, Site


def test_all_is_well(run: Run, space: Space) -> None:
    """A working backend: code 0, the server's own words."""
    result = run("doctor")

    assert result.code == 0
    assert "broker, tasks, stream  memory://cli-" in result.out
    assert "in-process" in result.out
    assert result.out.endswith("Everything is well.\n")


def test_json(run: Run, space: Space) -> None:
    """The same for machines."""
    found = json.loads(run("doctor", "--json").out)

    assert found["healthy"] is True
    assert found["roles"] == dict.fromkeys(("broker", "tasks", "stream"), space.url)
    assert found["servers"][0]["problem"] == ""
    assert found["settings"] == [{"key": "url", "value": space.url, "origin": "ANYMQ_URL"}]


def test_broken_plugins_are_shown_with_tracebacks(run: Run, site: Site, space: Space) -> None:
    """CFG-04: the rest is looked at all the same."""
    site.module("fake_broken", "def start():\n        raise RuntimeError('no engine')\n\nstart()")
    site.distribution("anymq-pluto", {"pluto": "fake_broken"})
    site.module("ext_broken", "1 / 0")
    site.distribution("ext-bad", {"bad": "ext_broken"}, group="anymq.extensions")
    site.module("ext_good", "")
    site.distribution("ext-good", {"good": "ext_good"}, group="anymq.extensions")

    result = run("doctor")
    found = json.loads(run("doctor", "--json").out)

    assert result.code == 1
    assert "cannot be loaded: RuntimeError: no engine; update it (pip install" in result.out
    assert 'fake_broken.py", line 2, in start' in result.out
    assert "extension 'bad' of ext-bad 1.2 is left out: ZeroDivisionError" in result.out
    assert "extension 'good' of ext-good 1.2: ok" in result.out
    assert result.out.endswith("Something needs mending.\n")
    assert [e["name"] for e in found["broken_extensions"]] == ["bad"]
    assert "ZeroDivisionError" in found["broken_extensions"][0]["trace"]


def test_plugin_that_does_not_fit(run: Run, site: Site, space: Space) -> None:
    """Without a traceback there is still the cause."""
    site.module("fake_typo", PLUGIN.format(name="typo", schemes=("typo",)).replace(
        "def anymq_backends", "def anymq_backend"))  # fmt: skip
    site.distribution("anymq-typo", {"typo": "fake_typo"})

    result = run("doctor")

    assert result.code == 1
    assert (
        "'typo' of anymq-typo 1.2 does not fit the hooks: unknown hook 'anymq_backend'"
        in result.out
    )
    assert "Traceback" not in result.out


def test_no_plugin_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without any entry point is told as such."""
    monkeypatch.setattr("anymq.plugins.registry.read_entries", lambda group: ())

    assert "none installed" in run("doctor").out


def test_wrong_configuration(run: Run, folder: Path) -> None:
    """The key is named; nothing of the value's secret is shown."""
    (folder / "anymq.toml").write_text('[anymq]\nulr = "redis://u:s3cret@h"\n')

    result = run("doctor")

    assert result.code == 1
    assert "anymq.toml: [anymq] ulr: unknown key 'ulr' (did you mean 'url'?)" in result.out
    assert "s3cret" not in result.out


def test_nothing_configured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the embedded default: one line, not one for each role."""
    monkeypatch.setenv("ANYMQ_PLUGINS", "memory")

    result = run("doctor")

    assert result.code == 1
    assert result.out.count("no backend is configured") == 1


def test_default_is_not_opened(run: Run, folder: Path) -> None:
    """Looking does not make the embedded default's file."""
    result = run("doctor")

    assert result.code == 0, result.out
    assert "broker: sqlite:///./anymq.db" in result.out
    assert "Servers" not in result.out
    assert not list(folder.glob("anymq.db*"))


def test_roles_one_by_one(run: Run, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each role's backend is checked; one without any is no fault while it is not used."""
    monkeypatch.setenv("ANYMQ_BROKER__URL", "memory://roles")
    monkeypatch.setenv("ANYMQ_TASKS__URL", "redsi://u:s3cret@h")

    result = run("doctor", "--offline")

    assert result.code == 1
    assert "broker: memory://roles" in result.out
    assert "tasks: tasks.url: no installed backend has the URL scheme 'redsi'" in result.out
    assert "stream: none" in result.out
    assert "Servers" not in result.out
    assert "s3cret" not in result.out


@pytest.mark.parametrize(
    ("bucket", "answer"),
    [
        ("", "up"),
        ("raises", "LookupError: no such place"),
        ("hangs&connect_timeout_s=0.01", "no answer within"),
        ("down", "AnyMQError: health is down: tired"),
    ],
)
def test_servers_are_tried(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch, bucket: str, answer: str
) -> None:
    """What a driver raises, how it feels and that it is silent are all reported."""
    site.module("fake_driver", DRIVER.format(name="mars", schemes=("mars",)))
    site.distribution("anymq-mars", {"mars": "fake_driver"})
    monkeypatch.setattr("anymq.cli.diagnosis._SLACK_S", 0.05)
    monkeypatch.setenv("ANYMQ_URL", f"mars://u:s3cret@host?bucket={bucket}")

    result = run("doctor")

    assert result.code == (0 if answer == "up" else 1)
    assert answer in result.out
    assert "s3cret" not in result.out


def test_backend_without_broker_and_stream(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be tried, and the doctor says so."""
    site.backend("mars")
    monkeypatch.setenv("ANYMQ_URL", "mars://host?bucket=x")

    result = run("doctor")

    assert result.code == 1
    assert "'mars' cannot be tried" in result.out


def test_config_shows_origins_and_masks(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C06: where each value comes from; secrets are masked."""
    (folder / "signing").write_text("s3cret")
    (folder / "anymq.toml").write_text(
        '[anymq]\nurl = "redis://u:s3cret@h/0"\ngrace_s = 1\n'
        '[anymq.broker]\npassword = "s3cret"\nca_file = "ca.pem"\nproxy = "http://u:s3cret@p"\n'
        '[anymq.signing]\nactive = "a"\nkeys = { a = "s3cret", b_file = "signing" }\n'
    )
    monkeypatch.setenv("ANYMQ_GRACE_S", "2")

    result = run("config")

    assert result.code == 0
    assert "s3cret" not in result.out
    rows = {line.split()[0]: line.split()[1:] for line in result.out.splitlines()[2:]}
    assert rows["grace_s"] == ["2", "ANYMQ_GRACE_S"]
    assert rows["url"] == ["redis://u:***@h/0", "anymq.toml:", "[anymq]", "url"]
    assert rows["broker.password"][0] == "***"
    assert rows["broker.ca_file"][0] == "ca.pem"
    assert rows["broker.proxy"][0] == "http://u:***@p"
    assert rows["signing.keys.a"][0] == "***"
    assert rows["signing.keys.b_file"][0] == "signing"


def test_config_without_any(run: Run) -> None:
    """Nothing configured is told as such; JSON has the same facts."""
    assert "every key has its default" in run("config").out
    assert json.loads(run("config", "--json").out) == {"file": None, "settings": []}
