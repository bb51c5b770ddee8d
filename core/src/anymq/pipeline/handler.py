"""Compiles a subscriber into one call per delivery: decode, middleware, handler, Outcome.

Everything that can be decided from the declaration is decided here, once; the calls built below
hold only what is needed per message.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any

from anymq.codecs.reading import BodyReader
from anymq.message import Delivery, Message
from anymq.middleware.chain import Call, Middleware, chain
from anymq.outcome import ACK, Ack, DeadLetter, Outcome, Release, Retry
from anymq.pipeline.context import Context
from anymq.pipeline.scope import DeliveryScope
from anymq.pipeline.signature import HandlerSignature

__all__ = ["Invoke", "Refuse", "Reply", "compile_call", "make_invoke", "outcome_of"]

Invoke = Callable[[Any, Any], Awaitable[Any]]
"""Calls the user's function with a value and its delivery (lists of both for a batch)."""

Reply = Callable[[Delivery, Any], Awaitable[None]]
"""Sends what a handler returned to whoever asked (``reply_to``)."""

Refuse = Callable[[Delivery, Exception | Outcome], Awaitable[None]]
"""Called with how a failed attempt ended; tells who asked, if no further one follows."""

_OUTCOMES = (Ack, Release, Retry, DeadLetter)


def make_invoke(
    handler: Callable[..., Any],
    signature: HandlerSignature,
    context: Context[Any],
    executor: Executor | None,
) -> Invoke:
    """The call of the user's function, with its arguments in place."""
    function = handler if signature.is_async else _in_thread(handler, executor)
    if signature.depends:
        from fast_depends import inject

        function = inject(handler, cast=False)
    elif not signature.injected:
        if signature.body is None:
            return lambda value, delivery: function()
        if signature.is_keyword:
            name = signature.body
            return lambda value, delivery: function(**{name: value})
        return lambda value, delivery: function(value)
    body, constant = signature.body, _constants(signature, context)
    deliveries = [name for name, kind in signature.injected.items() if kind is Delivery]

    def invoke(value: Any, delivery: Any) -> Awaitable[Any]:
        arguments = dict(constant)
        if body is not None:
            arguments[body] = value
        for name in deliveries:
            arguments[name] = delivery
        result: Awaitable[Any] = function(**arguments)
        return result

    return invoke


def compile_call(
    invoke: Invoke,
    decode: BodyReader,
    *,
    middleware: Sequence[Middleware] = (),
    scope: Callable[[Delivery], DeliveryScope] | None = None,
    publish_to: Sequence[str] = (),
    timeout_s: float | None = None,
    reply: Reply | None = None,
    refuse: Refuse | None = None,
    unwrap: Callable[[Delivery], Message] | None = None,
) -> Call:
    """The whole way of one delivery. Raises what the handler raised, DecodeError included."""
    if scope is None and not middleware and timeout_s is None and unwrap is None:
        return _fast_call(invoke, decode, reply, refuse)
    inner = chain(middleware, _inner_call(invoke, publish_to, reply))

    async def call(delivery: Delivery) -> Outcome:
        own = scope(delivery) if scope is not None else None
        delivery.start_attempt(own)
        delivery.value = decode(delivery.message if unwrap is None else unwrap(delivery))
        if timeout_s is None:
            outcome = await inner(delivery)
        else:
            async with asyncio.timeout(timeout_s):
                outcome = await inner(delivery)
        if own is not None:
            await own.finish()
        return outcome

    return call if refuse is None else _refusing(call, refuse)


def _refusing(inner: Call, refuse: Refuse) -> Call:
    """Tell whoever asked when the attempt failed."""

    async def call(delivery: Delivery) -> Outcome:
        try:
            outcome = await inner(delivery)
        except Exception as error:
            if delivery.message.reply_to is not None:
                await refuse(delivery, error)
            raise
        if delivery.message.reply_to is not None and outcome is not ACK:
            await refuse(delivery, outcome)
        return outcome

    return call


def outcome_of(result: Any) -> Outcome:
    """What a handler's return value means: an Outcome is itself, anything else is done."""
    return result if isinstance(result, _OUTCOMES) else ACK


def _fast_call(
    invoke: Invoke, decode: BodyReader, reply: Reply | None, refuse: Refuse | None
) -> Call:
    async def ask(delivery: Delivery) -> Outcome:
        result = await invoke(decode(delivery.message), delivery)
        return outcome_of(result) if reply is None else await _answer(reply, delivery, result)

    asked = ask if refuse is None else _refusing(ask, refuse)

    async def call(delivery: Delivery) -> Outcome:
        message = delivery.message
        if message.reply_to is not None:
            return await asked(delivery)
        result = await invoke(decode(message), delivery)
        return ACK if result is None else outcome_of(result)

    return call


async def _answer(reply: Reply, delivery: Delivery, result: Any) -> Outcome:
    if not isinstance(result, _OUTCOMES):
        await reply(delivery, result)
    return outcome_of(result)


def _inner_call(invoke: Invoke, publish_to: Sequence[str], reply: Reply | None) -> Call:
    async def call(delivery: Delivery) -> Outcome:
        result = await invoke(delivery.value, delivery)
        if publish_to and result is not None and not isinstance(result, _OUTCOMES):
            for topic in publish_to:
                await delivery.publish(topic, result)
        if reply is not None and delivery.message.reply_to is not None:
            return await _answer(reply, delivery, result)
        return outcome_of(result)

    return call


def _constants(signature: HandlerSignature, context: Context[Any]) -> Mapping[str, Any]:
    return {
        name: context if kind is Context else context.app
        for name, kind in signature.injected.items()
        if kind is not Delivery
    }


def _in_thread(handler: Callable[..., Any], executor: Executor | None) -> Callable[..., Any]:
    """Run a plain function in a thread of its own, with the caller's context variables."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        bound = functools.partial(copy_context().run, handler, *args, **kwargs)
        result = await loop.run_in_executor(executor, bound)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(
                "the handler is a plain function that returned a coroutine, which nobody runs: make"
                " it 'async def', or use functools.wraps in what wraps it"
            )
        return result

    return call
