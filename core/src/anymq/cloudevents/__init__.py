"""CloudEvents 1.0 in both content modes, written by us and read from anybody.

The attributes follow the messages: ``id`` and ``time`` are the message's, ``type`` is the topic
unless the publisher says otherwise, ``partitionkey`` is the key.
"""

from __future__ import annotations

from anymq.cloudevents.attributes import attributes_of, from_headers
from anymq.cloudevents.binary import to_binary
from anymq.cloudevents.mode import CloudEventsMode
from anymq.cloudevents.structured import CLOUDEVENT_TYPE, from_structured, to_structured

__all__ = [
    "CLOUDEVENT_TYPE",
    "CloudEventsMode",
    "attributes_of",
    "from_headers",
    "from_structured",
    "to_binary",
    "to_structured",
]
