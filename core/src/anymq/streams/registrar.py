"""``app.stream``: what an App declares beside topics and subscribers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from anymq.registrar import Registrar

if TYPE_CHECKING:
    from anymq.runtime.stream_role import StreamRole
    from anymq.streams.handle import StreamHandle

__all__ = ["StreamRegistrar"]

T = TypeVar("T")


class StreamRegistrar(Registrar):
    """A Registrar that runs: its streams can be used."""

    def __init__(self, role: Callable[[], StreamRole], *, append_timeout_s: float) -> None:
        super().__init__()
        self._role = role
        self._append_timeout_s = append_timeout_s

    @overload
    def stream(
        self,
        name: str,
        body: type[T],
        *,
        partitions: int | None = None,
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        options: Mapping[str, str] | None = None,
    ) -> StreamHandle[T]: ...

    @overload
    def stream(
        self,
        name: str,
        *,
        partitions: int | None = None,
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        options: Mapping[str, str] | None = None,
    ) -> StreamHandle[Any]: ...

    def stream(
        self,
        name: str,
        body: Any = Any,
        *,
        partitions: int | None = None,
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        options: Mapping[str, str] | None = None,
    ) -> StreamHandle[Any]:
        """A stream by its name, declared where it was not: an append-only log, apart from topics.

        ``body`` is what records are decoded to. ``max_records``, ``max_bytes`` and ``max_age_s``
        say what is kept; None for each: without that limit. Named before the start, it is declared
        with the start, else when it is first used. A name alone means the stream as it was
        declared. Raises ConfigError for a bad name or a second, different declaration.
        """
        from anymq.abc import StreamSpec  # here, for those who use no stream
        from anymq.streams.handle import StreamHandle

        given = (partitions, max_records, max_bytes, max_age_s, options)
        found = self.declarations.streams.get(name)
        if found is None or any(value is not None for value in given):
            found = StreamSpec(
                name, partitions or 1, max_records, max_bytes, max_age_s, options or {}
            )
            self.declarations.add_stream(found)
        return StreamHandle(found, self._role, body=body, timeout_s=self._append_timeout_s)
