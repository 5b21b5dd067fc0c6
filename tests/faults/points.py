"""The six points of a center's work at which it may be killed, wrapped around the real service from outside.

The product knows nothing of this. ``arm`` replaces a few methods by ones that do the same and, at the n-th passage of
the chosen point, send ``SIGKILL`` to their own process: no ``finally``, no flush, no goodbye, as when the power fails.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from sqlalchemy import event
from sqlalchemy.orm import Session

from node.db import Database
from node.federation import lanes, link_runner
from node.federation.inbox import apply_frame
from node.federation.nats_transport import NatsTransport
from protocol.link import MarkAcked
from protocol.wire import Ack, Data, Header, read_frame


class Point(StrEnum):
    """Where a center may die.

    Attributes:
        before_commit: a person's act is written, not committed; nobody was answered.
        after_commit: the act is committed; nobody was answered, nothing was sent.
        publish: a frame is handed to the wire.
        apply: a frame of the peer is applied.
        ack: the acknowledgement is handed to the wire.
        mark: the peer's acknowledgement is recorded.
    """

    before_commit = "before-commit"
    after_commit = "after-commit"
    publish = "publish"
    apply = "apply"
    ack = "ack"
    mark = "mark"


class Side(StrEnum):
    """Whether it dies before the point or after it; the two points of a commit are their own sides."""

    before = "before"
    after = "after"


@dataclass(frozen=True)
class Death:
    """Where, and at which passage."""

    point: Point
    side: Side
    passage: int

    def __str__(self) -> str:
        return f"{self.point}:{self.side}:{self.passage}"

    @classmethod
    def read(cls, text: str) -> "Death":
        """The inverse of ``str``."""
        point, side, passage = text.split(":")
        return cls(Point(point), Side(side), int(passage))


def die() -> NoReturn:
    """End this process as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


class _Counter:
    """Counts passages, from any thread."""

    def __init__(self, passage: int) -> None:
        self._left = passage
        self._lock = threading.Lock()

    def passed(self) -> bool:
        """Count one passage; whether it is the last."""
        with self._lock:
            self._left -= 1
            return self._left == 0


def arm(death: Death) -> None:
    """Die at this point; call it before the service starts."""
    counter = _Counter(death.passage)
    match death.point:
        case Point.before_commit:
            event.listen(Session, "before_commit", _when_a_person_acts(counter))
        case Point.after_commit:
            event.listen(Session, "after_commit", _when_a_person_acts(counter))
        case Point.publish:
            _arm_wire(counter, death.side, Data)
        case Point.ack:
            _arm_wire(counter, death.side, Ack)
        case Point.apply:
            _arm_apply(counter, death.side)
        case Point.mark:
            _arm_mark(counter, death.side)


def _when_a_person_acts(counter: _Counter) -> Callable[[Session], None]:
    """Die in a commit that somebody waits for: those of the links are other points."""

    def passed(session: Session) -> None:
        written = session.info.get("before_commit", {})  # only acts with an Idempotency-Key have this hook
        if "idempotency" in written and not session.in_nested_transaction() and counter.passed():
            die()

    return passed


def _arm_wire(counter: _Counter, side: Side, kind: type[Header]) -> None:
    publish = NatsTransport.publish

    async def armed(self: NatsTransport, subject: str, data: bytes) -> None:
        last = isinstance(read_frame(data).header, kind) and counter.passed()
        if last and side is Side.before:
            die()
        await publish(self, subject, data)
        if last:
            await self.round_trip()  # the broker has it
            die()

    NatsTransport.publish = armed  # type: ignore[method-assign]


def _arm_apply(counter: _Counter, side: Side) -> None:
    applying = threading.local()

    def in_transaction(session: Session) -> None:
        if getattr(applying, "last", False) and not session.in_nested_transaction():
            die()

    def armed(*given: object) -> int:
        applying.last = counter.passed()
        parked = apply_frame(*given)  # type: ignore[arg-type]
        applying.last = False
        return parked

    event.listen(Session, "before_commit" if side is Side.before else "after_commit", in_transaction)
    link_runner.__dict__["apply_frame"] = armed


def _arm_mark(counter: _Counter, side: Side) -> None:
    mark_acked = lanes.mark_acked

    def armed(database: Database, peer: str, mark: MarkAcked) -> None:
        last = counter.passed()
        if last and side is Side.before:
            die()
        mark_acked(database, peer, mark)
        if last:
            die()

    lanes.mark_acked = armed
