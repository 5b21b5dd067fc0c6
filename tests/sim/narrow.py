"""Narrow limits: in some seeds frames hold one message or a few, windows and waiting rooms are small.

With the limits of the product a simulated day's messages fit into one frame, and what happens between two frames,
before a window opens, or where a waiting room is full, would never be played.
"""

from dataclasses import dataclass
from random import Random
from types import ModuleType

from node.federation import lanes
from protocol import lane, link
from protocol.messages import Lane
from protocol.wire import FRAME_MAX_MESSAGES


@dataclass(frozen=True)
class Limits:
    """Limits of links.

    Attributes:
        frame: messages of one frame.
        window: bytes in flight behind which nothing more is loaded.
        commit: messages that are applied at once.
        waiting: bytes that wait for a commit.
    """

    frame: int
    window: int
    commit: int
    waiting: int


WIDE = Limits(lanes.FRAME_MESSAGES, link.ROOM[Lane.CASE], FRAME_MAX_MESSAGES, lane.WAITING_MAX_BYTES)
BULK = link.ROOM[Lane.BULK]
LONGEST = 100_000
"""No message is longer, hence no frame of one: it must always find room."""


def draw_limits(random: Random) -> Limits:
    """The product's own, or in every third seed narrow ones."""
    if random.random() >= 1 / 3:
        return WIDE
    frame = random.choice([1, 1, 2, 4])
    return Limits(
        frame,
        random.choice([0, 2_000, WIDE.window]),
        random.choice([1, 3, WIDE.commit]),
        random.choice([frame * LONGEST, WIDE.waiting]),
    )


def set_limits(limits: Limits) -> None:
    """These hold from now on, for all links of this process."""
    room = {Lane.CASE: limits.window, Lane.BULK: min(limits.window, BULK)}
    values: list[tuple[ModuleType, str, object]] = [
        (lanes, "FRAME_MESSAGES", limits.frame),
        (link, "ROOM", room),
        (lane, "FRAME_MAX_MESSAGES", limits.commit),
        (lane, "WAITING_MAX_BYTES", limits.waiting),
    ]
    for module, name, value in values:
        assert hasattr(module, name)
        setattr(module, name, value)
