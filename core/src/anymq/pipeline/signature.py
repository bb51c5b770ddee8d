"""What a handler asks for, read from its annotations once, when it is declared."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from anymq.errors import ConfigError
from anymq.message import Delivery
from anymq.pipeline.context import Context

__all__ = ["HandlerSignature", "read_signature"]

_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class HandlerSignature:
    """A handler's parameters by what they receive."""

    name: str
    is_async: bool
    body: str | None
    """The parameter that gets the decoded body; None if there is none."""
    annotation: Any
    """The type of the body (of the list's members for a batch handler)."""
    injected: Mapping[str, type]
    """Parameters that get the delivery, the context or the app, by name."""
    depends: frozenset[str]
    """Parameters that a dependency fills."""
    is_batch: bool
    is_keyword: bool = False
    """Whether the body can only be given by its name."""

    @property
    def needs_scope(self) -> bool:
        """Whether the handler can reach its delivery."""
        return bool(self.injected or self.depends)


def read_signature(
    handler: Callable[..., Any],
    *,
    is_batch: bool,
    app_type: type,
    local_names: Mapping[str, Any] | None = None,
) -> HandlerSignature:
    """Read a handler's signature. Raises ConfigError that names the handler and the mistake."""
    name = getattr(handler, "__qualname__", repr(handler))
    where = f"handler {name!r}"
    if not callable(handler):
        raise ConfigError(f"{where} is not a function")
    is_async = _is_async(handler, where)
    hints = _hints(handler, where, dict(local_names or {}))
    fixed = handler.keywords if isinstance(handler, functools.partial) else {}
    body: str | None = None
    injected: dict[str, type] = {}
    depends: set[str] = set()
    is_keyword = False
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.name in fixed:
            continue
        if parameter.kind not in _KINDS:
            raise ConfigError(
                f"{where}: parameter {str(parameter)!r} cannot be filled;"
                " name every parameter (no *args, no **kwargs, nothing positional-only)"
            )
        annotation = hints.get(parameter.name, inspect.Parameter.empty)
        plain = _plain(annotation, is_batch=is_batch)
        if plain in (Delivery, Context, app_type):
            injected[parameter.name] = plain
        elif _is_dependency(annotation) or _is_dependency_default(parameter.default):
            depends.add(parameter.name)
        elif body is not None:
            raise ConfigError(
                f"{where}: both {body!r} and {parameter.name!r} would get the message's body;"
                " one parameter takes the body, others are annotated Delivery, Context, App"
                " or Annotated[..., Depends(...)]"
            )
        else:
            body = parameter.name
            is_keyword = parameter.kind is inspect.Parameter.KEYWORD_ONLY
    if depends and not is_async:
        raise ConfigError(
            f"{where} is a plain function with dependencies: make it 'async def', or call what it"
            " needs itself"
        )
    annotation = hints.get(body, Any) if body is not None else Any
    return HandlerSignature(
        name=name,
        is_async=is_async,
        body=body,
        annotation=_member(annotation, where) if is_batch else annotation,
        injected=injected,
        depends=frozenset(depends),
        is_batch=is_batch,
        is_keyword=is_keyword,
    )


def _hints(handler: Any, where: str, local_names: dict[str, Any]) -> dict[str, Any]:
    target = _function(handler)
    try:
        return typing.get_type_hints(target, localns=local_names, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"{where}: its annotations cannot be resolved ({error}); import the name at module"
            " level (not under TYPE_CHECKING), or define it before the handler"
        ) from error


def _plain(annotation: Any, *, is_batch: bool) -> Any:
    """The class behind an annotation: Context for Context[State], Delivery for list[Delivery]."""
    origin = get_origin(annotation)
    if is_batch and origin is list:
        return _plain(get_args(annotation)[0], is_batch=False)
    return origin if origin is Context else annotation


def _member(annotation: Any, where: str) -> Any:
    if annotation is Any:
        return Any
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    raise ConfigError(
        f"{where} is a batch handler: annotate its body as a list, such as list[Event],"
        f" not {annotation!r}"
    )


def _is_dependency(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and any(
        _is_dependency_default(extra) for extra in get_args(annotation)[1:]
    )


def _is_dependency_default(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "fast_depends"


def _function(handler: Any) -> Any:
    """The function behind a partial one, or behind an object that can be called."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler if inspect.isroutine(handler) else type(handler).__call__


def _is_async(handler: Any, where: str) -> bool:
    function = inspect.unwrap(_function(handler))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{where} is a generator, which would never run: use return instead of yield, or"
            " delivery.publish for several results"
        )
    return inspect.iscoroutinefunction(function)
