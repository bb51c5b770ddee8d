"""Looking at the server: what it is, what it keeps, and whether it is well."""

from __future__ import annotations

from typing import Any

from anymq.abc import Health
from anymq.capabilities import Capabilities, Durability
from anymq.errors import AnyMQError, ConfigError
from anymq_redis.capabilities import found
from anymq_redis.condition import Condition
from anymq_redis.errors import translate
from anymq_redis.link import Link
from anymq_redis.options import RedisOptions

__all__ = ["HEALTH_S", "look", "probe"]

OLDEST = (7, 0)
HEALTH_S = 1.8
"""``health`` has two seconds in all."""
PATIENCE_S = 6.0
"""A server that stalls for less is not down."""


async def probe(link: Link, options: RedisOptions) -> Capabilities:
    """Ask the server what it is. Raises ConfigError where it cannot do, or is set up to lose."""
    commands = [("INFO",), ("CONFIG", "GET", "maxmemory-policy"), ("CONFIG", "GET", "appendfsync")]
    replies = await link.run(commands, timeout_s=options.connect_timeout_s)
    if isinstance(replies[0], Exception):
        raise translate(replies[0], options.address) from replies[0]
    info = _facts(replies[0])
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "0")
    policy, fsync = (_setting(reply) for reply in replies[1:])
    if policy == "unknown":  # CONFIG is forbidden; INFO tells it as well
        policy = info.get("maxmemory_policy", policy)
    _check(info, policy, options)
    return found(
        options,
        server=f"{product} {version}",
        durability=_durability(info, fsync),
        facts={"maxmemory-policy": policy, "appendfsync": fsync},
    )


async def look(link: Link, options: RedisOptions, condition: Condition) -> Health:
    """The server's condition from one exchange, and that of the other connections to it. Never
    raises.
    """
    try:
        reply = await link.call("INFO", timeout_s=HEALTH_S)
        if condition.trouble:
            return Health("down", condition.trouble)
        return _judge(_facts(reply), options)
    except AnyMQError as error:
        is_slow = isinstance(error.__cause__, TimeoutError) and condition.silent_s < PATIENCE_S
        if is_slow and not condition.trouble:
            return Health("degraded", str(error))
        return Health("down", str(error))


def _judge(info: dict[str, str], options: RedisOptions) -> Health:
    facts: dict[str, str] = {
        name: info[name]
        for name in ("redis_version", "used_memory_human", "connected_clients", "aof_enabled")
        if name in info
    }
    if info.get("loading") == "1":
        return Health("down", f"redis at {options.address} is loading its data", facts)
    if info.get("aof_last_write_status", "ok") != "ok":
        return Health("degraded", "the append-only file cannot be written: disk full?", facts)
    if info.get("role") == "slave":
        return Health("degraded", "the server is a replica and takes no messages", facts)
    if info.get("aof_enabled") != "1":
        return Health("degraded", "no append-only file: a crash loses messages", facts)
    return Health("up", options.address, facts)


def _check(info: dict[str, str], policy: str, options: RedisOptions) -> None:
    version = info.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        raise ConfigError(
            f"redis at {options.address} is version {version}: 7.0 or newer is needed"
            " (or Valkey); set host and port to such a server"
        )
    if info.get("redis_mode") == "cluster":
        raise ConfigError(
            f"redis at {options.address} is a cluster, which is not supported:"
            " set host and port to a single server"
        )
    if policy.startswith("allkeys"):
        raise ConfigError(
            f"redis at {options.address} has maxmemory-policy {policy}, which throws messages"
            " away when memory is short: set it to noeviction"
        )
    if info.get("aof_enabled") != "1" and not options.accept_volatile:
        raise ConfigError(
            f"redis at {options.address} has appendonly no, so that it loses confirmed messages"
            " when it stops: set appendonly to yes there, or accept_volatile to true here"
        )


def _durability(info: dict[str, str], fsync: str) -> Durability:
    if info.get("aof_enabled") != "1":
        return Durability.NONE
    return Durability.OS_CRASH if fsync == "always" else Durability.PROCESS_CRASH


def _facts(reply: bytes) -> dict[str, str]:
    lines = reply.decode("utf-8", "replace").splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name: value.strip() for name, value in pairs}


def _setting(reply: Any) -> str:
    """One setting; "unknown" where asking is forbidden."""
    if isinstance(reply, Exception) or len(reply) < 2:
        return "unknown"
    text: str = reply[1].decode()
    return text
