"""The page: plain files, no build step, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

__all__ = ["install_page"]

_FILES = Path(__file__).resolve().parents[1] / "static"
_FRESH = {"Cache-Control": "no-cache"}


def install_page(app: FastAPI, *, prefix: str) -> None:
    """Serve ``/`` and its files; the page is told where the interface is."""
    page = (_FILES / "index.html").read_text(encoding="utf-8").replace("{{prefix}}", prefix)
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=_FRESH)

    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_FILES), name="static")
