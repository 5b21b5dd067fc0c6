"""What no center would send: refused frames are counted, told to people, and a neighbour that goes on is limited.

Theory of operation. A frame that does not read, is not signed by its neighbour, or is for somebody else is refused
before anything of it is applied. A few happen in honest life (a frame that was under way while keys changed). Whoever
sends more than PATIENCE of them, each forgiven after FORGIVEN_S, is not listened to for a pause; each pause is twice
as long as the one before. What it sends meanwhile is dropped unread, so garbage costs no more than its way through the
broker; from a pause of PUT_OUT_S on the broker does not let it in at all. A link forgets nothing by that: what was
dropped was never acknowledged, and comes again.

Who was refused stands in the audit log, on the link's row, in the metrics and on the page of links.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog
from sqlalchemy import update

from node.audit.trail import SYSTEM, Event, record
from node.federation.tables import LinkRow

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

PATIENCE: Final = 20
"""Refused frames that a neighbour is forgiven at once."""
FORGIVEN_S: Final = 10.0
"""Seconds after which one refused frame is forgotten."""
PAUSE_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
"""First and longest pause. A neighbour that was repaired is heard again within a minute."""
PUT_OUT_S: Final = 4.0
"""From this pause on the broker does not let the neighbour in meanwhile: what it goes on sending costs us nothing."""
CALM_S: Final = 600.0
"""After so long without a refused frame the next pause is a short one again."""
TOLD_EVERY_S: Final = 10.0
"""The audit log gets at most one row of a neighbour's refused frames in this time, with their number."""
WAITING_MAX: Final = 256
WAITING_MAX_BYTES: Final = 2 * 1024 * 1024
"""Frames of one neighbour that may wait to be read: its window is 256 KB on each of two lanes, and acknowledgements."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of one neighbour.

    Attributes:
        peer: the neighbour.
        refused: frames refused since the last news.
        reason: why the last of them was; never its content.
        limited_s: for how long it is not listened to from now on; None where it is.
    """

    peer: str
    refused: int
    reason: str
    limited_s: float | None


@dataclass(slots=True)
class _Account:
    """What one neighbour has on its account."""

    load: float = 0.0
    at: float = 0.0
    untold: int = 0
    told_at: float = float("-inf")
    reason: str = ""
    pause: float = PAUSE_S
    until: float = 0.0
    pause_untold: bool = False


class Doorkeeper:
    """Decides whom to listen to. Lives on the event loop.

    Args:
        now: the loop's time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._accounts: dict[str, _Account] = {}

    def lets_in(self, peer: str) -> bool:
        """Whether a frame of this neighbour is read at all."""
        account = self._accounts.get(peer)
        return account is None or self._now() >= account.until

    def refused(self, peer: str, reason: str) -> None:
        """A frame of this neighbour was refused."""
        now = self._now()
        account = self._accounts.setdefault(peer, _Account(at=now))
        if now - account.at > CALM_S:
            account.pause = PAUSE_S
        account.load = max(0.0, account.load - (now - account.at) / FORGIVEN_S) + 1
        account.at, account.reason, account.untold = now, reason, account.untold + 1
        if account.load > PATIENCE and now >= account.until:
            account.until, account.pause_untold = now + account.pause, True
            log.error("link.limited", peer=peer, seconds=account.pause, reason=reason)
            account.pause = min(account.pause * 2, PAUSE_MAX_S)

    def out(self) -> frozenset[str]:
        """Whom the broker is not to let in now."""
        now = self._now()
        long = (peer for peer, one in self._accounts.items() if one.until > now and one.pause > PUT_OUT_S)
        return frozenset(long)

    def news(self) -> list[News]:
        """What happened since it was asked last, and is due to be told."""
        now = self._now()
        found = []
        for peer, account in self._accounts.items():
            due = account.pause_untold or (account.untold and now - account.told_at >= TOLD_EVERY_S)
            if due:
                limited = account.until - now if account.until > now else None
                found.append(News(peer, account.untold, account.reason, limited))
                account.untold, account.told_at, account.pause_untold = 0, now, False
        return found


def tell(center: "Center", news: list[News]) -> None:
    """Write to the audit log and to the links what was refused.

    Raises:
        DatabaseUnavailable: nothing was written.
    """
    with center.database.write(behind_people=True) as session:
        now = center.clock.now()
        for one in news:
            values: dict[str, object] = {"refused": LinkRow.refused + one.refused, "refused_at": now}
            count, reason = str(one.refused), one.reason
            record(session, now, SYSTEM, Event.FRAME_REFUSED, subject=one.peer, frames=count, reason=reason)
            if one.limited_s is not None:
                values["limited_until"] = now + timedelta(seconds=one.limited_s)
                seconds = f"{one.limited_s:.0f}"
                record(session, now, SYSTEM, Event.LINK_LIMITED, subject=one.peer, seconds=seconds)
            session.execute(update(LinkRow).where(LinkRow.peer == one.peer).values(values))


@dataclass
class _Line(Generic[Item]):
    items: deque[tuple[Item, int]] = field(default_factory=deque)
    size: int = 0


class FairQueue(Generic[Item]):
    """Frames that wait to be read: one of each neighbour in turn, so that nobody waits behind another's flood."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._urgent: deque[tuple[str, Item]] = deque()
        self._lines: dict[str, _Line[Item]] = {}
        self._turns: deque[str] = deque()

    def put(self, peer: str, item: Item, size: int) -> bool:
        """Let a frame wait; says whether there was room for it."""
        line = self._lines.setdefault(peer, _Line())
        if len(line.items) >= WAITING_MAX or line.size + size > WAITING_MAX_BYTES:
            return False
        if not line.items:
            self._turns.append(peer)
        line.items.append((item, size))
        line.size += size
        self._awake.set()
        return True

    def put_first(self, who: str, item: Item) -> None:
        """Something of our own that goes before all frames, behind what went before them already."""
        self._urgent.append((who, item))
        self._awake.set()

    async def get(self) -> tuple[str, Item]:
        """The next frame, and whose it is."""
        while self.empty():
            self._awake.clear()
            await self._awake.wait()
        return self.take()

    def take(self) -> tuple[str, Item]:
        """The next frame of those that wait."""
        if self._urgent:
            return self._urgent.popleft()
        peer = self._turns.popleft()
        line = self._lines[peer]
        item, size = line.items.popleft()
        line.size -= size
        if line.items:
            self._turns.append(peer)
        return peer, item

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._turns and not self._urgent
