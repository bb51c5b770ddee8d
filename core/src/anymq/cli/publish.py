"""``anymq publish``: send one message by hand."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymq.cli.options import AsJson, Topic, Url
from anymq.cli.state import State, state_of
from anymq.errors import ConfigError

if TYPE_CHECKING:
    from anymq.codecs.codec import Codec

__all__ = ["publish"]


def publish(
    context: typer.Context,
    topic: Topic,
    body: Annotated[str, typer.Argument(help="The body, JSON; '-' reads it from the input.")],
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME=VALUE")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Messages of one key keep their order.")] = None,
    delay: Annotated[float | None, typer.Option(min=0, help="Seconds before delivery.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send the text as it is.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Publish one message; prints its id once the backend has it."""
    import asyncio

    from anymq.cli.output import print_json

    content = sys.stdin.buffer.read() if body == "-" else body.encode()
    if not raw:
        _check_json(content)
    options = {"headers": _headers(header or []), "key": key, "delay_s": delay}
    message_id = asyncio.run(_publish(state_of(context), url, topic, content, raw, options))
    if as_json:
        print_json({"id": message_id, "topic": topic})
    else:
        typer.echo(message_id)


async def _publish(
    state: State, url: str | None, topic: str, content: bytes, raw: bool, options: dict[str, Any]
) -> str:
    from anymq.cli.applications import bare_app
    from anymq.codecs.registry import codec_by_name

    codec: Codec | None = codec_by_name("raw") if raw else codec_by_name("json")
    async with bare_app(state, url, codec=codec) as app:
        return await app.publish(topic, content, **options)


def _check_json(content: bytes) -> None:
    try:
        json.loads(content)
    except ValueError:
        pass
    else:
        return
    raise ConfigError(
        "the body is not JSON: quote a text, as in '\"hello\"', or send it as it is with --raw"
    )


def _headers(pairs: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--header {pair!r} must look like NAME=VALUE")
        headers[name] = value
    return headers
