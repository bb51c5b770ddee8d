"""The vendors in the database."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from newsstand.storage.storage import Storage
from newsstand.tables import vendor

__all__ = ["Vendor", "VendorRows"]


class Vendor(BaseModel):
    """A vendor as others may see it: nothing of its account but the name."""

    model_config = ConfigDict(frozen=True)

    id: int
    account_name: str | None = None


class VendorRows:
    """Reads vendors. Raises StorageUnavailable when it cannot."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def all(self) -> list[Vendor]:
        """All of them, by name."""
        query = select(vendor.c.id, vendor.c.account_name).order_by(
            vendor.c.account_name, vendor.c.id
        )
        return [Vendor(**row) for row in await self._storage.read.all(query)]
