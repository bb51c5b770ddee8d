"""What is measured in this process, and what must at least be reached."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.body import PlainJson
from benchmarks.ours.flow import publish_many_flow, window_flow
from benchmarks.ours.halves import consume_half, on_sqlite, publish_half
from benchmarks.ours.streams import append_half, read_half
from benchmarks.raw.memory import queue_loop
from benchmarks.raw.sqlite import claim_and_delete_loop, insert_loop
from benchmarks.raw.sqlite_stream import append_loop, read_loop
from benchmarks.suite import Suite

__all__ = ["EMBEDDED"]

EMBEDDED: Mapping[str, Suite] = {
    "memory": Suite(
        baseline="raw: asyncio.Queue, json",
        candidates={
            "raw: asyncio.Queue, json": queue_loop,
            "publish_many, default codec": publish_many_flow,
            "window of 256, default codec": window_flow,
            "publish_many, json": partial(publish_many_flow, codec=PlainJson()),
            "window of 256, json": partial(window_flow, codec=PlainJson()),
        },
        goals={
            "publish_many, default codec": 0.8,
            "window of 256, default codec": 0.45,
            "publish_many, json": 0.5,
            "window of 256, json": 0.3,
        },
    ),
    "sqlite-publish": Suite(
        baseline="raw: insert",
        candidates={
            "raw: insert": insert_loop,
            "publish_many, default codec": partial(on_sqlite, half=publish_half),
            "publish_many, json": partial(on_sqlite, half=publish_half, codec=PlainJson()),
        },
        goals={"publish_many, default codec": 0.5, "publish_many, json": 0.5},
    ),
    "sqlite-consume": Suite(
        baseline="raw: claim and delete",
        candidates={
            "raw: claim and delete": claim_and_delete_loop,
            "consume, default codec": partial(on_sqlite, half=consume_half),
            "consume, json": partial(on_sqlite, half=consume_half, codec=PlainJson()),
        },
        goals={"consume, default codec": 0.5, "consume, json": 0.5},
    ),
    "sqlite-append": Suite(
        baseline="raw: insert into a log",
        candidates={
            "raw: insert into a log": append_loop,
            "append_many, default codec": partial(on_sqlite, half=append_half),
            "append_many, json": partial(on_sqlite, half=append_half, codec=PlainJson()),
        },
        goals={"append_many, default codec": 0.85},
    ),
    "sqlite-read": Suite(
        baseline="raw: select from a log",
        candidates={
            "raw: select from a log": read_loop,
            "read, default codec": partial(on_sqlite, half=read_half),
            "read, json": partial(on_sqlite, half=read_half, codec=PlainJson()),
        },
        goals={"read, default codec": 0.75},
    ),
}
