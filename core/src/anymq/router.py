"""Router: declarations made apart from an App, and included in one or several."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.middleware.chain import Middleware
from anymq.registrar import Registrar

__all__ = ["Router"]


class Router(Registrar):
    """Topics and subscribers of one part of an application; see ``App.include``."""

    def __init__(self, *, prefix: str = "", middleware: Sequence[Middleware] = ()) -> None:
        super().__init__()
        self.prefix = prefix
        self.middleware.extend(middleware)

    def include(self, router: Router, *, prefix: str = "") -> None:
        """Take over another router's declarations."""
        router.check_publishers()
        full = prefix + router.prefix
        self.declarations.include(router.declarations, full, router.middleware)
        router.task_owner.client = self.task_owner.get
