"""Which backend a role gets, and what is said when there is none."""

from __future__ import annotations

import pytest

from anymq.capabilities import Capabilities
from anymq.config import Settings, load_settings, resolve_role, resolve_store
from anymq.errors import ConfigError
from anymq.options import BackendOptions
from anymq.plugins import BackendDescriptor, Registry
from anymq.urls import parse_url


class _Options(BackendOptions):
    prefetch: int = 1


def _registry(*names: str) -> Registry:
    registry = Registry(entries=[])
    for name in names:
        descriptor = BackendDescriptor(name, (name,), _Options, Capabilities({}, frozenset()))
        registry.register(descriptor, name="test")
    return registry


def test_own_url_goes_before_that_of_all_roles() -> None:
    """S-83: the more specific one wins; options of the table go with either."""
    registry = _registry("redis", "kafka")
    settings = load_settings(url="redis://all").model_copy(
        update={"stream": load_settings(stream={"url": "kafka://own", "prefetch": 7}).stream}
    )

    broker = resolve_role(settings, "broker", registry)
    stream = resolve_role(settings, "stream", registry)

    assert (broker.url.host, broker.where, broker.options) == (
        "all",
        "url",
        _Options(scheme="redis", host="all"),
    )
    assert (stream.descriptor.name, stream.where) == ("kafka", "stream.url")
    assert isinstance(stream.options, _Options)
    assert stream.options.prefetch == 7


def test_options_of_a_role_without_url_apply_to_the_common_one() -> None:
    """A role's table may only tune the backend of all roles."""
    settings = Settings(url=parse_url("redis://all"), broker={"options": {"prefetch": 3}})

    target = resolve_role(settings, "broker", _registry("redis"))

    assert isinstance(target.options, _Options)
    assert target.options.prefetch == 3


def test_nothing_configured_means_the_embedded_default() -> None:
    """S-82: sqlite:///./anymq.db when its plugin is installed."""
    target = resolve_role(Settings(), "broker", _registry("sqlite", "memory"))

    assert (str(target.url), target.where) == ("sqlite:///./anymq.db", "default")
    assert target.options.path == "./anymq.db"


def test_memory_is_never_implicit() -> None:
    """S-82: without the default's plugin the error names the key and the package."""
    with pytest.raises(ConfigError, match=r"set 'url' \(\[anymq\].*ANYMQ_URL.*anymq-sqlite"):
        resolve_role(Settings(), "broker", _registry("memory"))


def test_a_role_left_out_is_an_error() -> None:
    """Where other roles have a backend of their own, none is guessed."""
    settings = load_settings(broker={"url": "redis://h"})

    with pytest.raises(ConfigError, match=r"role 'stream': set 'stream\.url'.*ANYMQ_STREAM__URL"):
        resolve_role(settings, "stream", _registry("redis", "sqlite"))


def test_unknown_scheme_names_the_key() -> None:
    """CFG-06: the error begins with the key that has the URL."""
    settings = load_settings(tasks={"url": "redsi://u:s3cret@h"})

    with pytest.raises(
        ConfigError, match=r"^tasks\.url: .*'redsi'.*did you mean 'redis'"
    ) as caught:
        resolve_role(settings, "tasks", _registry("redis"))
    assert "s3cret" not in str(caught.value)


def test_store_of_the_tasks() -> None:
    """tasks.store is a backend of its own, or none."""
    registry = _registry("redis")
    settings = load_settings(tasks={"url": "amqp://h", "store": "redis://h?prefetch=2"})

    target = resolve_store(settings, registry)

    assert target is not None
    assert (target.descriptor.name, target.where) == ("redis", "tasks.store")
    assert resolve_store(Settings(), registry) is None
