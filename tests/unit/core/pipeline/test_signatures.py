"""What a handler asks for, read when it is declared, and the mistakes found then."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fast_depends import Depends

from anymq import App, ConfigError, Context, Delivery, Router
from anymq.pipeline.signature import HandlerSignature, read_signature


def give() -> int:
    return 7


def read(handler: Callable[..., Any], *, is_batch: bool = False, **names: Any) -> HandlerSignature:
    return read_signature(handler, is_batch=is_batch, app_type=App, local_names=names)


def test_parameters_are_told_apart_by_their_annotations() -> None:
    """The body is what is left when delivery, context, app and dependencies are taken."""

    async def handle(
        app: App,
        body: dict[str, int],
        where: Context[int],
        delivery: Delivery,
        number: Annotated[int, Depends(give)],
        other: int = Depends(give),
    ) -> None: ...

    signature = read(handle)

    assert (signature.body, signature.annotation) == ("body", dict[str, int])
    assert signature.injected == {"app": App, "where": Context, "delivery": Delivery}
    assert signature.depends == {"number", "other"}
    assert signature.is_async
    assert signature.needs_scope


@pytest.mark.parametrize("handler", [lambda: None, lambda body: None])
def test_annotations_may_be_missing(handler: Callable[..., Any]) -> None:
    """Then the body is plain data, or not asked for at all."""
    signature = read(handler)

    assert signature.body in (None, "body")
    assert signature.annotation is Any
    assert not signature.needs_scope


def test_a_batch_handler_gets_lists() -> None:
    """Of bodies and of deliveries; what is decoded is the member."""

    async def handle(bodies: list[int], deliveries: list[Delivery]) -> None: ...

    signature = read(handle, is_batch=True)

    assert (signature.body, signature.annotation) == ("bodies", int)
    assert signature.injected == {"deliveries": Delivery}


async def test_a_batch_handler_may_leave_its_annotation_out() -> None:
    """Members are plain data then."""
    assert read(lambda bodies: None, is_batch=True).annotation is Any


class AsyncCallable:
    async def __call__(self, body: int) -> None: ...


class PlainCallable:
    def __call__(self, body: int) -> None: ...


class Holder:
    async def handle(self, body: int) -> None: ...


async def _with_extra(extra: str, body: int) -> None: ...


def _wrapped(handler: Any) -> Any:
    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return handler(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("handler", "is_async"),
    [
        (AsyncCallable(), True),
        (PlainCallable(), False),
        (Holder().handle, True),
        (functools.partial(_with_extra, "x"), True),
        (functools.partial(functools.partial(_with_extra), extra="x"), True),
        (_wrapped(Holder().handle), True),
    ],
)
def test_whatever_can_be_called_is_read(handler: Callable[..., Any], is_async: bool) -> None:
    """Objects, methods, partial functions and wrapped ones, async or plain."""
    signature = read(handler)

    assert (signature.body, signature.annotation) == ("body", int)
    assert signature.is_async is is_async


async def _two(first: int, second: int) -> None: ...
async def _star(*bodies: int) -> None: ...
async def _stars(body: int, **more: int) -> None: ...
async def _positional(body: int, /) -> None: ...
async def _unknown(body: NoSuchType) -> None: ...  # type: ignore[name-defined] # noqa: F821
async def _async_generator(body: int) -> AsyncIterator[int]:
    yield 1


def _generator(body: int) -> Iterator[int]:
    yield 1


def _plain_with_dependency(body: int, number: Annotated[int, Depends(give)]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "cause", "remedy"),
    [
        (_two, "both 'first' and 'second' would get the message's body", "annotated Delivery"),
        (_star, "cannot be filled", "name every parameter"),
        (_stars, "cannot be filled", "name every parameter"),
        (_positional, "cannot be filled", "nothing positional-only"),
        (_unknown, "NoSuchType", "import the name at module level"),
        (_async_generator, "is a generator", "return"),
        (_generator, "is a generator", "return"),
        (_plain_with_dependency, "plain function with dependencies", "async def"),
    ],
)
def test_a_mistake_is_told_when_the_handler_is_declared(
    app: App, handler: Callable[..., Any], cause: str, remedy: str
) -> None:
    """With the handler's name, what is wrong, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        app.subscriber("t", group="g")(handler)

    text = str(caught.value)
    assert handler.__name__ in text
    assert cause in text
    assert remedy in text
    assert app.declarations.subscribers == []


def test_something_that_cannot_be_called_is_no_handler(app: App) -> None:
    """At once, not at the first message."""
    with pytest.raises(ConfigError, match="is not a function"):
        app.subscriber("t")("handle")  # type: ignore[type-var]


def test_a_batch_body_is_annotated_as_a_list() -> None:
    """The text shows how."""

    async def handle(bodies: int) -> None: ...

    with pytest.raises(ConfigError, match=r"list\[Event\]"):
        read(handle, is_batch=True)


def test_types_defined_beside_the_handler_are_found(app: App) -> None:
    """A class local to the function in which the handler is declared."""

    class Local:
        value: int

    @app.subscriber("t", group="g")
    async def handle(body: Local) -> None: ...

    assert app.declarations.subscribers[0].signature.annotation is Local


@pytest.mark.parametrize("make", [App, Router])
def test_publisher_goes_below_subscriber(make: Callable[[], App | Router]) -> None:
    """The other way round it would be applied too late; the text says where to put it."""
    registrar = make()

    @registrar.subscriber("t", group="g")
    async def handle(body: int) -> None: ...

    with pytest.raises(ConfigError, match="below @subscriber"):
        registrar.publisher("out")(handle)
