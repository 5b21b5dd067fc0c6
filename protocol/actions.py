"""What passes between a link and its owner: records in, actions out.

``Load`` asks for messages after a position; before the owner gives them with ``loaded`` it has recorded
durably that they are offered. ``Apply`` hands over messages to commit, answered by ``applied`` or
``apply_failed``; there is never more than one under way in a lane. ``Compare`` asks for our own digest at a
position, answered by ``compared``.
"""

from dataclasses import dataclass
from enum import StrEnum

from protocol.messages import Lane
from protocol.wire import ORIGIN


class State(StrEnum):
    """States of a link."""

    OFFLINE = "offline"
    GREETING = "greeting"
    COMPARING = "comparing"
    LINKED = "linked"
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Why a link stopped; a person or the recovery must act."""

    PEER_RESTORED = "peer_restored"
    SELF_RESTORED = "self_restored"
    DIVERGED = "diverged"
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, slots=True)
class Position:
    """A number and the digest chain up to it."""

    seq: int = 0
    digest: bytes = ORIGIN


START = Position()


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """What the database knows of a lane when the link starts.

    Attributes:
        last: highest number in our outbox.
        offered: highest position ever offered to the wire.
        acked: highest position that the peer's database holds.
        applied: highest position of the peer's that our database holds.
        peer_incarnation: the incarnation that ``applied`` belongs to.
    """

    last: int = 0
    offered: Position = START
    acked: Position = START
    applied: Position = START
    peer_incarnation: str | None = None


@dataclass(frozen=True, slots=True)
class SendHello:
    """Send a HELLO with the present session and positions."""

    answering: str | None


@dataclass(frozen=True, slots=True)
class SendData:
    """Send a loaded frame."""

    lane: Lane
    first: int
    last: int
    before: bytes
    digest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class SendAck:
    """Acknowledge what is applied of a lane."""

    lane: Lane
    position: Position
    gap: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Load messages after a position, record them as offered, and answer with ``loaded`` or ``load_failed``.

    They may be at most ``budget`` bytes packed; a single message may exceed it.
    """

    lane: Lane
    after: Position
    ticket: int
    budget: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Commit these messages, ``first`` to ``position``, and answer with ``applied`` or ``apply_failed``."""

    lane: Lane
    first: int
    position: Position
    incarnation: str
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MarkAcked:
    """Record that the peer's database holds everything up to this position."""

    lane: Lane
    position: Position


@dataclass(frozen=True, slots=True)
class Compare:
    """Look up our own digest at ``position.seq`` and answer with ``compared``."""

    lane: Lane
    position: Position


@dataclass(frozen=True, slots=True)
class Stopped:
    """The link stopped; record it and tell a person."""

    reason: StopReason
    detail: str


Action = SendHello | SendData | SendAck | Load | Apply | MarkAcked | Compare | Stopped
