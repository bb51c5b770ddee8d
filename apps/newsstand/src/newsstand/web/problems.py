"""Every error of the HTTP interface as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from anymq import AnyMQError, BackendUnavailable, BufferFull, PublishRejected, PublishUnknown
from newsstand.errors import Conflict, FeedFull, MissingReference, StorageUnavailable

__all__ = ["ProblemResponse", "install_problems", "problem"]

RETRY_AFTER_S = 5
_TRY_AGAIN = {"Retry-After": str(RETRY_AFTER_S)}
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """A response with type, title, status and detail, and what further members are given."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        **members,
    }
    return ProblemResponse(body, status_code=int(status), headers=dict(headers or {}))


def install_problems(app: FastAPI) -> None:
    """Have the application answer its errors this way; unexpected ones say nothing of the cause."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(MissingReference, _missing)
    app.add_exception_handler(StorageUnavailable, _storage)
    app.add_exception_handler(FeedFull, _feed_full)
    app.add_exception_handler(PublishRejected, _rejected)
    app.add_exception_handler(PublishUnknown, _messaging)
    app.add_exception_handler(BackendUnavailable, _messaging)
    app.add_exception_handler(AnyMQError, _messaging)
    app.add_exception_handler(Exception, _unexpected)


def _invalid(request: Request, error: Exception) -> ProblemResponse:
    """Says where and what, never the values: they may be secrets."""
    entries = error.errors() if isinstance(error, RequestValidationError) else ()
    found = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in entries]
    detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in found[:5])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found)


def _http(request: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, HTTPException):
        return _unexpected(request, error)
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _conflict(request: Request, error: Exception) -> ProblemResponse:
    return problem(HTTPStatus.CONFLICT, str(error))


def _missing(request: Request, error: Exception) -> ProblemResponse:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _storage(request: Request, error: Exception) -> ProblemResponse:
    return problem(_UNAVAILABLE, str(error), headers=_TRY_AGAIN)


def _feed_full(request: Request, error: Exception) -> ProblemResponse:
    return problem(_UNAVAILABLE, str(error), headers=_TRY_AGAIN)


def _rejected(request: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, PublishRejected) or isinstance(error, BufferFull):
        return _messaging(request, error)
    if error.code == "too_large":
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error), code=error.code)
    return problem(
        _UNAVAILABLE, "messaging does not take it now", headers=_TRY_AGAIN, code=error.code
    )


def _messaging(request: Request, error: Exception) -> ProblemResponse:
    """Whether it is there is not known: to send it again is safe only if it may arrive twice."""
    members: dict[str, Any] = {}
    detail = "messaging is not available"
    if isinstance(error, PublishUnknown):
        detail = "messaging did not confirm in time; the message may arrive all the same"
        members["message_id"] = error.message_id
    if isinstance(error, AnyMQError):
        members["code"] = error.code
    return problem(_UNAVAILABLE, detail, headers=_TRY_AGAIN, **members)


def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong on our side")
