"""Secrets: known to the client library, and shown nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from anymq.app import App
from anymq.config import RoleSettings, Settings, resolve_role
from anymq.config.expectation import is_secret_type
from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, ConfigError
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.decoys import Subject, subject_of
from anymq.testing.log_capture import captured_log
from anymq.urls import is_secret_name, parse_url

__all__ = ["no_secret", "told_by", "with_secret"]


def no_secret(secret: str, where: str, texts: Iterable[str]) -> None:
    """Fail if one of the texts holds the secret; the failure itself does not show it."""
    for text in texts:
        expect(secret not in text, f"{where} shows the secret: {text.replace(secret, '<SECRET>')}")


def told_by(error: BaseException) -> list[str]:
    """The texts of an error and of everything that led to it."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        texts += [str(seen), repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return [*texts, "".join(traceback.format_exception(error))]


def with_secret(plugin: Subject, secret: str) -> Any:
    """The backend's URL with credentials that it does not have."""
    name = plugin.url.username or "kit"
    return replace(plugin.url, username=name, password=SecretStr(secret))


@check("CFG-11", "secrets_are_redacted")
async def redacted(bench: Bench) -> None:
    """No repr, log, error, event or health shows a secret; options that are secret say so."""
    plugin = await subject_of(bench)
    secret = f"kit-s3cret-{bench.run_id}"
    url = with_secret(plugin, secret)
    settings = Settings(url=url, connect_wait_s=bench.limit(1.0))
    no_secret(secret, "the URL", (str(url), repr(url)))
    no_secret(secret, "the settings", (repr(settings), str(settings), settings.model_dump_json()))
    _check_options(plugin)
    for source in (
        f"{plugin.scheme}://kit:{secret} @host",
        f"{plugin.scheme}://kit:{secret}@host:port",
        f"{plugin.scheme}://kit:{secret}@host?x",
    ):
        try:
            parse_url(source)
        except ConfigError as error:
            no_secret(secret, "the error about a malformed URL", told_by(error))
    in_table = Settings(url=plugin.url, broker=RoleSettings(options={"password": secret}))
    for given in (settings, in_table):
        no_secret(secret, "the settings", (repr(given), given.model_dump_json()))
        await _start_with(bench, plugin, given, secret)


def _check_options(plugin: Subject) -> None:
    fields = plugin.descriptor.options.model_fields
    for name, field in fields.items():
        is_text = "str" in str(field.annotation).lower()
        if is_secret_name(name) and is_text:
            expect(is_secret_type(field.annotation), f"the option {name!r} is no SecretStr")
    schema = plugin.descriptor.options.model_json_schema()["properties"]
    expect("writeOnly" in str(schema["password"]), "the schema does not mark 'password' as secret")


async def _start_with(bench: Bench, plugin: Subject, settings: Settings, secret: str) -> None:
    """Start with wrong credentials: most backends refuse, and nothing shows them."""
    events: list[Any] = []
    app = App(settings=settings, registry=bench.registry)
    app.on_event(events.append)
    shown = [repr(app), repr(app._parts)]
    with captured_log() as records:
        try:
            target = resolve_role(settings, "broker", bench.registry)
            shown += [repr(target), str(target.options), target.options.model_dump_json()]
            await bench.started(app)
            shown.append(repr(await app.health()))
        except (AnyMQError, TimeoutError) as error:
            no_secret(secret, "the error at start", told_by(error))
        shown.append(repr(await app.health()))
        await app.close(grace_s=0)
    no_secret(secret, "a repr or health", shown)
    no_secret(secret, "an event", map(repr, events))
    no_secret(secret, "the log", (f"{r.getMessage()} {r.args} {r.exc_text}" for r in records))


@check("LIF-03", "bad_credentials_are_permanent")
async def bad_credentials(bench: Bench) -> None:
    """Wrong credentials (any, where the backend has none) stop the start at once, for good."""
    plugin = await subject_of(bench)
    secret = f"kit-wr0ng-{bench.run_id}"
    app = App(
        settings=Settings(url=with_secret(plugin, secret), connect_wait_s=60),
        registry=bench.registry,
    )
    events: list[Any] = []
    app.on_event(events.append)
    try:
        await bench.started(app)
    except (AccessDenied, ConfigError) as error:
        no_secret(secret, "the error at start", told_by(error))
        expect(app.state == "stopped", f"after the refusal the application is {app.state}")
    except TimeoutError:
        raise CheckFailed("wrong credentials were tried again and again") from None
    except BackendUnavailable as error:
        raise CheckFailed(f"wrong credentials count as a passing trouble: {error}") from None
    else:
        await app.close(grace_s=0)
        raise CheckFailed(f"{plugin.scheme}:// was opened with a wrong password")
    kinds = [event.kind for event in events if hasattr(event, "kind")]
    expect("connected" not in kinds, f"a refused start told {kinds}")
    no_secret(secret, "an event", map(repr, events))
