"""The process that a proxy runs in, and how to give it orders."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from services.errors import ServiceError, UsageError
from services.install import tail
from services.process import Process, kill_tree, spawn, wait_gone
from services.proxy import Proxy

__all__ = ["launch", "order", "serve"]

_ORDER_LIMIT_S = 5.0
_START_LIMIT_S = 15.0
_PROBE_EVERY_S = 0.02
_LINE_BYTES = 4096


def launch(listen_port: int, upstream_port: int, *, log: Path) -> Process:
    """Start the process and return once it takes orders.

    Raises:
        ServiceError: it did not start in time.
    """
    program = [sys.executable, str(Path(__file__).parent), "proxy"]
    ports = [str(listen_port), str(upstream_port)]
    process = spawn([*program, *ports], environ=os.environ, log=log)
    deadline = time.monotonic() + _START_LIMIT_S
    while not _takes_orders(listen_port):
        if wait_gone(process, wait_s=_PROBE_EVERY_S) or time.monotonic() >= deadline:
            kill_tree(process)
            said = log.read_text(encoding="utf-8", errors="replace")
            raise ServiceError(f"the proxy did not start: see {log}", details=tail(said))
    return process


def serve(listen_port: int, upstream_port: int) -> None:
    """Run the proxy until SIGTERM."""
    asyncio.run(_serve(listen_port, upstream_port))


def order(listen_port: int, verb: str, value: float | None = None) -> dict[str, int]:
    """Tell the proxy that listens on a port what to do; return its counts of connections.

    Raises:
        UsageError: the proxy does not know the verb, or refuses its value.
        ServiceError: no proxy answers in time.
    """
    request = json.dumps({"verb": verb, "value": value}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ORDER_LIMIT_S)
            connection.connect(_address(listen_port))
            connection.sendall(request)
            with connection.makefile("rb") as replies:
                reply = json.loads(replies.readline(_LINE_BYTES))
    except (OSError, ValueError) as exc:
        raise ServiceError(f"no proxy answers for port {listen_port}") from exc
    if "error" in reply:
        raise UsageError(reply["error"])
    return {str(key): int(count) for key, count in reply.items()}


def _takes_orders(port: int) -> bool:
    try:
        order(port, "stats")
    except ServiceError:
        return False
    return True


async def _serve(listen_port: int, upstream_port: int) -> None:
    proxy = Proxy(upstream_port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def on_order(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(proxy, reader, writer)

    listener = await asyncio.start_server(proxy.accept, "127.0.0.1", listen_port)
    orders = await asyncio.start_unix_server(on_order, _address(listen_port))
    async with listener, orders:
        await stop.wait()
        proxy.order("cut", None)


async def _answer(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry out one order: one line of JSON in, one line out."""
    reply: dict[str, int] | dict[str, str]
    try:
        async with asyncio.timeout(_ORDER_LIMIT_S):
            request = json.loads(await reader.readline())
        reply = proxy.order(request["verb"], request["value"])
    except UsageError as error:
        reply = {"error": error.summary}
    except (OSError, ValueError, KeyError, TypeError):
        reply = {"error": "an order is a JSON object with verb and value"}
    try:
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
    finally:
        writer.close()


def _address(port: int) -> str:
    """Return an abstract socket: no file to be left behind, no limit on the folder's name."""
    return f"\0anymq-services-proxy-{port}"
