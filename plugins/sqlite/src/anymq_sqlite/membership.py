"""A subscription's place in the file: joined, renewed after others took it for dead, left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from anymq.topology import Source
from anymq_sqlite import members
from anymq_sqlite.claiming import Claim
from anymq_sqlite.members import Joined
from anymq_sqlite.naming import Names
from anymq_sqlite.request import Request
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store

__all__ = ["Membership"]


@dataclass(slots=True)
class Membership:
    """One member. Lives on the loop; what the thread needs of it is handed over in requests."""

    store: Store
    source: Source
    names: Names
    client: str
    lease_s: float
    timeout_s: float
    joined: Joined = field(default_factory=lambda: Joined(0, ()))
    on_gone: Callable[[], None] = lambda: None

    @property
    def group(self) -> str | None:
        """The group's name; None for an anonymous subscription."""
        return self.source.group

    async def join(self) -> None:
        """Become a member. Raises TopologyError, BackendUnavailable."""
        topics = [self.names.physical(topic) for topic in self.source.topics]

        def work(session: Session) -> Joined:
            return members.join(
                session,
                topics,
                self.source.group,
                by_key=self.source.order == "key",
                client=self.client,
                lease_s=self.lease_s,
                names=self.names,
            )

        self.joined = await self.store.run(
            work, timeout_s=self.timeout_s, in_thread=self._keep_alive
        )

    async def renew(self, claim: Claim) -> None:
        """Join again under another id, where others took us for dead."""
        self._told()
        await self.join()
        claim.gids.clear()
        claim.gids.extend(self.joined.gids)
        claim.member = self.joined.member

    async def leave(self, *, timeout_s: float) -> None:
        """Give back what is unsettled, and be no member any more."""
        member = self.joined.member
        roster = self.store.roster
        await self.store.run(
            lambda session: members.leave(session, member),
            timeout_s=timeout_s,
            in_thread=lambda _: roster.discard(member),
        )

    def abandon(self) -> None:
        """Be left behind, as a killed process leaves its members."""
        member, roster = self.joined.member, self.store.roster
        request = Request[None](
            lambda session: members.abandon(session, member),
            on_done=lambda _value, _failure: roster.discard(member),
            is_durable=False,
        )
        self.store.submit(request)

    def _keep_alive(self, joined: Joined) -> None:
        """In the thread: from the commit on, signs of life are given."""
        roster = self.store.roster
        roster.add(joined.member, self.lease_s, lambda: self.store.call(self._told))

    def _told(self) -> None:
        self.on_gone()
