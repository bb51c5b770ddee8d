"""The narrow interfaces, which plugins implement: batches both ways, pull not push, bytes."""

from __future__ import annotations

from anymq.abc.broker import Broker, Subscription
from anymq.abc.context import BackendContext, EventSink
from anymq.abc.events import BackendEvent, Health
from anymq.abc.job_store import JobStore
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
    "JobStore",
    "Management",
    "Record",
    "Start",
    "Stream",
    "StreamReader",
    "StreamSpec",
    "Subscription",
    "TaskRunner",
    "TopicState",
]
