"""The ASGI application of one desk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from newsstand.desk import Desk
from newsstand.web import health, messengers, sales, vendors
from newsstand.web.body_limit import BodyLimit
from newsstand.web.drain import Drain
from newsstand.web.host_check import HostCheck
from newsstand.web.page import install_page
from newsstand.web.problems import install_problems
from newsstand.web.security_headers import SecurityHeaders

__all__ = ["NewsstandApi", "create_application"]

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")


class NewsstandApi(FastAPI):
    """FastAPI with our guards outside of its own, so that they see, and serve, its errors too."""

    desk: Desk
    failure: Exception | None = None
    """What kept it from starting."""

    def build_middleware_stack(self) -> ASGIApp:
        settings = self.desk.settings
        inner = BodyLimit(super().build_middleware_stack(), max_bytes=settings.max_body_bytes)
        drained = Drain(inner, stop=self.desk.stop)
        return SecurityHeaders(HostCheck(drained, hosts=LOCAL_NAMES))


def create_application(desk: Desk, *, on_started: Callable[[], None] | None = None) -> NewsstandApi:
    """Everything that is served; opening and closing it opens and closes the desk."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(desk.running())
            except Exception as error:
                app.failure = error
                raise
            if on_started is not None:
                on_started()
            yield

    prefix = desk.settings.prefix
    app = NewsstandApi(
        title="Newsstand",
        lifespan=lifespan,
        openapi_url=f"{prefix}/openapi.json",
        docs_url=None,  # they load scripts from elsewhere, which our own headers forbid
        redoc_url=None,
    )
    app.desk = desk
    app.state.desk = desk
    install_problems(app)
    app.include_router(messengers.router, prefix=prefix)
    app.include_router(vendors.router, prefix=prefix)
    app.include_router(sales.router, prefix=prefix)
    app.include_router(health.router)
    if prefix:
        app.include_router(health.router, prefix=prefix, include_in_schema=False)
    install_page(app, prefix=prefix)
    return app
