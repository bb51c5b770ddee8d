"""How a request reaches the desk."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from newsstand.desk import Desk

__all__ = ["TheDesk", "desk_of"]


def desk_of(request: Request) -> Desk:
    """The desk of the application that got the request."""
    return cast("Desk", request.app.state.desk)


TheDesk = Annotated[Desk, Depends(desk_of)]
