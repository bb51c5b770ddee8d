"""The narrow interfaces, which plugins implement: batches both ways, pull not push, bytes.

Its modules are imported when a name of theirs is first used: whoever only declares an application
does not pay for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymq.abc.broker import Broker, OnLost, Subscription
    from anymq.abc.context import BackendContext, EventSink
    from anymq.abc.events import BackendEvent, Health
    from anymq.abc.job_store import JobRecord, JobStore
    from anymq.abc.management import DeadLetterEntry, GroupState, Management, TopicState
    from anymq.abc.stream import Record, Start, Stream, StreamReader, StreamSpec
    from anymq.abc.task_runner import TaskRunner

__all__ = [
    "BackendContext",
    "BackendEvent",
    "Broker",
    "DeadLetterEntry",
    "EventSink",
    "GroupState",
    "Health",
    "JobRecord",
    "JobStore",
    "Management",
    "OnLost",
    "Record",
    "Start",
    "Stream",
    "StreamReader",
    "StreamSpec",
    "Subscription",
    "TaskRunner",
    "TopicState",
]

_MODULES = {
    "broker": ("Broker", "OnLost", "Subscription"),
    "context": ("BackendContext", "EventSink"),
    "events": ("BackendEvent", "Health"),
    "job_store": ("JobRecord", "JobStore"),
    "management": ("DeadLetterEntry", "GroupState", "Management", "TopicState"),
    "stream": ("Record", "Start", "Stream", "StreamReader", "StreamSpec"),
    "task_runner": ("TaskRunner",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
