"""What one member holds: handed out, not yet settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from anymq.message import Delivery
from anymq_redis.feeds import Feed, Token

__all__ = ["Holdings"]


class Holdings:
    """Deliveries by token. Those being settled are held, too, until that is over."""

    def __init__(self) -> None:
        self._held: dict[Token, Delivery] = {}
        self._settling: set[Token] = set()
        self._doubtful: dict[tuple[str, str], Token] = {}
        """Settled or not, the server did not say: may still be settled until delivered anew."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """These are being handed out."""
        for delivery in deliveries:
            token: Token = delivery.token
            self._held[token] = delivery
            if self._doubtful:
                before = self._doubtful.pop((token.feed.stream, token.entry_id), None)
                if before is not None:
                    before.is_over = True

    def begin_settling(self, deliveries: Iterable[Delivery]) -> None:
        """The outcome of these is on its way: the server may already have carried it out."""
        self._settling.update(delivery.token for delivery in deliveries)

    def end(self, deliveries: Iterable[Delivery]) -> None:
        """These are settled, or no longer ours."""
        for delivery in deliveries:
            token: Token = delivery.token
            token.is_over = True
            self._forget(token)

    def doubt(self, deliveries: Iterable[Delivery]) -> None:
        """Whether these are settled is not known."""
        for delivery in deliveries:
            token: Token = delivery.token
            self._forget(token)
            if not token.is_over:
                self._doubtful[token.feed.stream, token.entry_id] = token

    def clear(self) -> None:
        """Nothing is ours any more."""
        self.end(tuple(self._held.values()))
        for token in self._doubtful.values():
            token.is_over = True
        self._doubtful.clear()

    def ids(self, feed: Feed) -> list[str]:
        """What is held of one stream."""
        return [token.entry_id for token in self._held if token.feed is feed]

    def has(self, feed: Feed) -> bool:
        """Whether anything is held of one stream."""
        return any(token.feed is feed for token in self._held)

    def of(self, feeds: Collection[Feed]) -> list[Delivery]:
        """What is held of these streams, and nobody is settling."""
        if not feeds:
            return []
        return [
            delivery
            for token, delivery in self._held.items()
            if token.feed in feeds and token not in self._settling
        ]

    def lost(self, feed: Feed, ids: Sequence[bytes]) -> list[Delivery]:
        """Those of these ids that are held and that nobody is settling."""
        gone = {entry_id.decode() for entry_id in ids}
        return [
            delivery
            for token, delivery in self._held.items()
            if token.feed is feed and token.entry_id in gone and token not in self._settling
        ]

    def _forget(self, token: Token) -> None:
        self._held.pop(token, None)
        self._settling.discard(token)
