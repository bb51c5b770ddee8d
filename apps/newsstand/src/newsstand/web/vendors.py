"""/vendor: who hands publications to us."""

from __future__ import annotations

from fastapi import APIRouter

from newsstand.storage.vendors import Vendor
from newsstand.web.dependencies import TheDesk

__all__ = ["router"]

router = APIRouter(prefix="/vendor", tags=["vendor"])


@router.get("/list")
async def every(desk: TheDesk) -> list[Vendor]:
    """All vendors by name."""
    return await desk.vendors.all()
