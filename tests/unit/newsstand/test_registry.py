"""Registration: exactly once per message, whatever the broker does."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from newsstand.errors import Conflict, MissingReference
from newsstand.messengers.models import HiredMessenger
from newsstand.messengers.registry import MessengerRegistry
from newsstand.storage.messengers import MessengerRows
from newsstand.storage.storage import Storage
from newsstand.tables import inbox

SEEDED = 60


def _hired(**fields: object) -> HiredMessenger:
    given = {"firstname": "Ada", "lastname": "Brook", "salary": "1200.10", "vendor_id": 2}
    return HiredMessenger.model_validate({**given, **fields})


async def test_one_message_is_one_messenger(seeded: Storage) -> None:
    """Delivered three times, one after the other and at once."""
    registry, rows = MessengerRegistry(seeded), MessengerRows(seeded)

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(registry.register(_hired(), topic="t", message_id="m"))
            for _ in range(3)
        ]
    again = await registry.register(_hired(), topic="t", message_id="m")

    made = {task.result().id for task in tasks if task.result() is not None}
    assert again is not None
    assert made == {again.id}
    assert await rows.count() == SEEDED + 1


async def test_another_message_is_another_messenger(seeded: Storage) -> None:
    """Same content, other id, or the same id on another topic."""
    registry, rows = MessengerRegistry(seeded), MessengerRows(seeded)

    for topic, message_id in (("t", "1"), ("t", "2"), ("u", "1")):
        await registry.register(_hired(), topic=topic, message_id=message_id)

    assert await rows.count() == SEEDED + 3


async def test_what_cannot_be_inserted_is_not_recorded(seeded: Storage) -> None:
    """So that it can be replayed once the reason is gone."""
    registry = MessengerRegistry(seeded)

    with pytest.raises(Conflict, match="messenger 5 exists already"):
        await registry.register(_hired(id=5), topic="t", message_id="a")
    with pytest.raises(MissingReference, match="no vendor 99"):
        await registry.register(_hired(vendor_id=99), topic="t", message_id="b")

    assert await seeded.read.value(select(func.count()).select_from(inbox)) == 0


async def test_money_comes_back_as_it_went(seeded: Storage) -> None:
    """As a decimal, though the column is binary."""
    rows = MessengerRows(seeded)

    added = await rows.add(_hired(salary="1234567890.01"))

    [found] = await rows.newest(limit=1)
    assert found == added
    assert found.salary == Decimal("1234567890.01")
