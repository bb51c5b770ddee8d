"""The conformance kit's harness: a server of its own, reached through a proxy where one runs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from anymq.abc import BackendContext
from anymq.errors import AnyMQError, UnsupportedError
from anymq.support.clock import SystemClock
from anymq.support.thread_bridge import ThreadBridge
from anymq.testing.harness import Disruption, Timings
from anymq.testing.harnesses.command import CommandHarness
from anymq.urls import parse_url
from anymq_kafka.admin import Admin
from anymq_kafka.client_config import ClientConfig
from anymq_kafka.directory import TopicDirectory, answer
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.options import DEFAULT_PORT, KafkaOptions

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["KafkaHarness"]

_CALL_S = 10.0
_SCRAM = ScramMechanism.SCRAM_SHA_512
_ITERATIONS = 4096
_SESSION_S = 6
"""The shortest that brokers grant by default: so long a dead member keeps its partitions."""
_KIT = "kit."
"""How the names of what the kit makes begin."""


class KafkaHarness(CommandHarness):
    """``ANYMQ_TEST_KAFKA_PROXY_URL``: where the connections can be broken; ``…_URL``: the server
    itself, for the harness's own looks; ``…_CONTROL``: the command that breaks; ``…_AUTH_URL``:
    a listener that takes SCRAM-SHA-512 and has clients log in anew every few seconds.
    """

    backend: ClassVar[str] = "kafka"
    further: ClassVar[frozenset[Disruption]] = frozenset({"delete", "revoke"})
    timings: ClassVar[Timings] = Timings(
        scale=2.0, quiet_s=0.1, late_s=1.0, detect_s=15.0, resume_s=15.0
    )
    counts_anonymous: ClassVar[bool] = False
    hands_over_whole: ClassVar[bool] = True
    _made: ClassVar[set[str]] = set()
    """The runs whose topics may still be on the server."""

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        direct = os.environ.get("ANYMQ_TEST_KAFKA_URL", "kafka://localhost")
        super().__init__(url or os.environ.get("ANYMQ_TEST_KAFKA_PROXY_URL", direct))
        if "session_timeout_s" not in self.url:
            self.url = self.url_with(session_timeout_s=_SESSION_S)
        self._dead_until = 0.0
        self.registry = registry
        self._direct = os.environ.get("ANYMQ_TEST_KAFKA_URL", self.url)
        self._auth = os.environ.get("ANYMQ_TEST_KAFKA_AUTH_URL", "")
        self._user = ""
        self._run = ""

    @property
    def can_disrupt(self) -> frozenset[Disruption]:
        found = super().can_disrupt
        return found if self._auth else found - {"revoke"}

    def make_destination(self, name: str) -> str:
        self._run = _run_of(name)
        self._made.add(self._run)
        return name

    async def options(self) -> dict[str, Any]:
        await self._remove(self._made - {self._run})
        return await super().options()

    async def cleanup(self) -> None:
        await self._remove(set(self._made))

    async def delete(self, topic: str, group: str) -> None:
        async with self._admin() as admin:
            await GroupAdmin(admin, timeout_s=_CALL_S).delete_topics([topic])

    async def disrupt(self, how: Disruption) -> None:
        if how == "revoke":
            await self._alter_user(UserScramCredentialDeletion(self._user, _SCRAM))
            return
        await super().disrupt(how)

    async def crash(self, app: Any) -> None:
        await super().crash(app)
        self._dead_until = time.monotonic() + _SESSION_S + 1

    async def revocable_url(self) -> str:
        if not self._auth:
            raise UnsupportedError("ANYMQ_TEST_KAFKA_AUTH_URL is not set: there are no credentials")
        self._user, password = f"kit-{uuid4().hex[:8]}", uuid4().hex
        credentials = ScramCredentialInfo(_SCRAM, _ITERATIONS)
        await self._alter_user(
            UserScramCredentialUpsertion(self._user, credentials, password.encode())
        )
        at = parse_url(self._auth)
        mechanism = "sasl_mechanism=SCRAM-SHA-512"
        return f"{at.scheme}://{self._user}:{password}@{at.host}:{at.port}?{mechanism}"

    async def _alter_user(self, change: UserScramCredentialAlteration) -> None:
        async with self._admin() as admin:
            futures = admin.api.alter_user_scram_credentials([change], request_timeout=_CALL_S)
            await answer(futures[self._user], f"user {self._user}", timeout_s=_CALL_S)

    async def inspect(self) -> Mapping[str, int]:
        """``consumers``: members of the groups that this check made. Empty while down.

        Anonymous subscriptions are in no group and leave nothing on the server.
        """
        await asyncio.sleep(self._dead_until - time.monotonic())  # those still count as members
        try:
            async with self._admin() as admin:
                groups = GroupAdmin(admin, timeout_s=_CALL_S)
                ours = [group for group in await groups.ids() if _run_of(group) == self._run]
                members = await groups.members(ours)
        except AnyMQError:
            return {}
        return {"consumers": sum(members.values())}

    async def _remove(self, runs: set[str]) -> None:
        """Delete the topics of some runs; what cannot be deleted now is left to the next call."""
        if not runs:
            return
        try:
            async with self._admin() as admin:
                there = await TopicDirectory(admin).everything(timeout_s=_CALL_S)
                gone = [name for name in there if _run_of(name) in runs]
                if gone:
                    await GroupAdmin(admin, timeout_s=_CALL_S).delete_topics(gone)
        except AnyMQError:
            return
        self._made.difference_update(runs)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Admin]:
        """A client of our own, straight to the server."""
        parsed = parse_url(self._direct)
        options = KafkaOptions(host=parsed.host or "localhost", port=parsed.port or DEFAULT_PORT)
        config = ClientConfig(options, BackendContext(SystemClock(), client_id="kit-harness"))
        bridge = ThreadBridge(asyncio.get_running_loop())
        admin = Admin(config.admin(), name="kit-harness-admin", bridge=bridge)
        try:
            yield admin
        finally:
            await admin.aclose(timeout_s=_CALL_S)


def _run_of(name: str) -> str:
    """The run in a name that the kit made; "" for any other."""
    return name.split(".")[1] if name.startswith(_KIT) and name.count(".") > 1 else ""
