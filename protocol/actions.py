"""What passes between a link and its owner: records in, actions out.

``Load`` asks for messages after a position; before the owner gives them with ``loaded`` it has recorded
durably that they are offered. ``Apply`` hands over messages to commit, answered by ``applied`` or
``apply_failed``; there is never more than one under way in a lane. ``Compare`` asks for our own digest at a
position, answered by ``compared``.

After a restore: ``Restored`` says that our database went back in time; the owner freezes custody, draws a new
incarnation, and answers with ``recover``. ``TakeBack`` hands over messages of our own that the peer returned,
answered by ``taken_back`` or ``take_back_failed``. ``Healed`` says that all are back. At the peer, ``Serve`` asks for
what it once took, to be sent as RETURN; ``Rewind`` says that a peer must get our messages again.
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
    HEALING = "healing"
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Why nothing moves on a link: it heals by itself (restored), or it waits for a person."""

    PEER_RESTORED = "peer_restored"
    SELF_RESTORED = "self_restored"
    DIVERGED = "diverged"
    INCOMPATIBLE = "incompatible"
    PEER_FORKED = "peer_forked"
    SELF_FORKED = "self_forked"


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
        kept: the position after which our outbox still keeps its messages.
    """

    last: int = 0
    offered: Position = START
    acked: Position = START
    applied: Position = START
    peer_incarnation: str | None = None
    kept: Position = START


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


@dataclass(frozen=True, slots=True)
class Restored:
    """Our database went back in time.

    Attributes:
        incarnations: ours, as the peer knows them, of either lane; we may have forgotten them.
        skip: where the peer keeps its own messages no longer, the position from which it goes on.
        theirs: the peer's incarnation, of which these positions are.
    """

    incarnations: frozenset[str]
    skip: dict[Lane, Position]
    theirs: str | None = None


@dataclass(frozen=True, slots=True)
class SendRecover:
    """Ask for our own messages after a number."""

    lane: Lane
    after: int


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Our own messages came back: store them as sent, act on them, and answer with ``taken_back``.

    Attributes:
        lane: the lane.
        first: number of the first.
        messages: exactly as they were sent.
        end: the position after the last.
        until: what the peer holds of ours; everything of ours that is not in it comes after it.
        gap: the peer keeps no longer what came before them.
    """

    lane: Lane
    first: int
    messages: tuple[bytes, ...]
    end: Position
    until: Position
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Healed:
    """The peer has nothing of ours that we don't have: begin a new session, from the records."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Send RETURN with what we took of the peer's after a number."""

    lane: Lane
    after: int
    until: Position


@dataclass(frozen=True, slots=True)
class Rewind:
    """Record that the peer's database holds no more than this; what comes after it is sent again."""

    lane: Lane
    position: Position


Action = (
    SendHello
    | SendData
    | SendAck
    | Load
    | Apply
    | MarkAcked
    | Compare
    | Stopped
    | Restored
    | SendRecover
    | TakeBack
    | Healed
    | Serve
    | Rewind
)
