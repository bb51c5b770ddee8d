"""What a task asks for: its parameters, how calls of it are encoded, and how they are read."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec

from anymq.codecs.json_format import JsonCodec
from anymq.errors import ConfigError, DecodeError
from anymq.message import Delivery
from anymq.pipeline.context import Context
from anymq.tasks.current import CurrentJob

if TYPE_CHECKING:
    from anymq.codecs.codec import Decoder

__all__ = ["TaskSignature", "read_task_signature"]

JSON = JsonCodec()
_MAX_SHOWN = 200


@dataclass(slots=True)
class TaskSignature:
    """A task's parameters by what they receive. Decoders are made once, when a worker starts."""

    is_async: bool
    parameters: Mapping[str, Any]
    """Those that a caller gives, with their annotations, in order."""
    injected: Mapping[str, type]
    """Those that get the job, delivery, context or app."""
    depends: bool
    """Whether a dependency fills one."""
    returns: Any
    _bind: inspect.Signature
    _positional: tuple[str, ...] = field(init=False)
    _required: frozenset[str] = field(init=False)
    _decoders: dict[str, Decoder] = field(default_factory=dict)
    _read_result: Decoder | None = None

    def __post_init__(self) -> None:
        parameters = self._bind.parameters.values()
        self._positional = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self._required = frozenset(p.name for p in parameters if p.default is p.empty)

    def encode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, skip: str | None = None
    ) -> dict[str, msgspec.Raw]:
        """A call's arguments by name, each as JSON. ``skip``: what a chain gives.

        Raises TypeError for arguments that do not fit, PublishRejected for what JSON cannot carry.
        """
        if skip is not None:
            args = (None, *args)
        given = dict(zip(self._positional, args, strict=False))
        given.update(kwargs)
        if len(given) != len(args) + len(kwargs) or not self._fits(given):
            self._bind.bind(*args, **kwargs)  # says what is wrong, as a call of the function would
        given.pop(skip or "", None)
        return {name: msgspec.Raw(JSON.encode(value)) for name, value in given.items()}

    def decode(self, arguments: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
        """The values of a call. Raises DecodeError naming the argument."""
        if not self._fits(arguments):
            wrong = arguments.keys() ^ self._required
            raise DecodeError(f"the arguments do not fit: {', '.join(sorted(wrong))}"[:_MAX_SHOWN])
        return {name: self._decode(name, raw) for name, raw in arguments.items()}

    def compile(self) -> None:
        """Make the decoders. Raises ConfigError for an annotation that nothing can decode."""
        for name, annotation in self.parameters.items():
            if name not in self._decoders:
                self._decoders[name] = JSON.decoder(annotation)

    def read_result(self, result: bytes) -> Any:
        """The value of an encoded result. Raises DecodeError."""
        if self._read_result is None:
            self._read_result = JSON.decoder(self.returns)
        return self._read_result(result)

    def _fits(self, arguments: Mapping[str, Any]) -> bool:
        return self._required <= arguments.keys() <= self.parameters.keys()

    @property
    def first(self) -> str | None:
        """The parameter that a chain fills."""
        return next(iter(self.parameters), None)

    def _decode(self, name: str, raw: msgspec.Raw) -> Any:
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = JSON.decoder(self.parameters[name])
        try:
            return decoder(bytes(raw))
        except DecodeError as error:
            problem = str(error)
        raise DecodeError(f"argument {name!r}: {problem}")


def read_task_signature(
    function: Callable[..., Any], *, local_names: Mapping[str, Any], app_type: type
) -> TaskSignature:
    """Read the annotations. Raises ConfigError for what cannot be a task."""
    where = f"task {getattr(function, '__qualname__', function)!s}"
    signature = inspect.signature(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{where} is a generator, which would never run: use return, not yield")
    try:
        hints = typing.get_type_hints(function, localns=dict(local_names), include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"{where}: its annotations cannot be resolved ({error}); import the name at module"
            " level (not under TYPE_CHECKING), or define it before the task"
        ) from error
    parameters: dict[str, Any] = {}
    injected: dict[str, type] = {}
    depends = False
    for name, parameter in signature.parameters.items():
        if parameter.kind not in _KINDS:
            raise ConfigError(f"{where}: {parameter} cannot be filled: name each parameter")
        annotation = hints.get(name, Any)
        kind = get_origin(annotation) if get_origin(annotation) is Context else annotation
        if kind in (CurrentJob, Delivery, Context, app_type):
            injected[name] = kind
        elif _is_dependency(annotation):
            depends = True
        else:
            parameters[name] = annotation
    kept = [signature.parameters[name].replace(annotation=Any) for name in parameters]
    return TaskSignature(
        inspect.iscoroutinefunction(function),
        parameters,
        injected,
        depends,
        hints.get("return", Any),
        inspect.Signature(kept),
    )


_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _is_dependency(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and any(
        type(extra).__module__.partition(".")[0] == "fast_depends"
        for extra in get_args(annotation)[1:]
    )
