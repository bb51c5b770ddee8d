"""The registry: inserts every messenger that was sent, exactly once."""

from __future__ import annotations

from newsstand.messengers.models import HiredMessenger, Messenger
from newsstand.storage.inbox import InboxKey, find_handled, record_handled
from newsstand.storage.messengers import find_messenger, insert_messenger
from newsstand.storage.storage import Storage

__all__ = ["REGISTRY", "MessengerRegistry"]

REGISTRY = "registry"
"""The group that reads the topic on behalf of the database."""


class MessengerRegistry:
    """The effect of a message and the record that it happened are one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def register(
        self, hired: HiredMessenger, *, topic: str, message_id: str
    ) -> Messenger | None:
        """Insert the messenger, or return the one that this message inserted before.

        None: it did, and the messenger has gone since. Raises Conflict, MissingReference (never
        right later), StorageUnavailable (try again); nothing is recorded then.
        """
        key = InboxKey(topic, REGISTRY, message_id)
        async with self._storage.write() as rows:
            handled = await find_handled(rows, key)
            if handled is not None:
                return await find_messenger(rows, handled.row_id)
            messenger = await insert_messenger(rows, hired)
            await record_handled(rows, key, row_id=messenger.id)
        return messenger
