"""Somebody hostile on the wire: frames that no center ever signed for this place.

Whatever is put on a subject here must change nothing: frames signed by a wrong key, frames of another center, frames
that were on this wire long ago, other messages under a true header and its true signature.
"""

from collections.abc import Iterator
from random import Random

from protocol.errors import RemoteError
from protocol.keys import digest, from_text, to_text
from protocol.messages import Message, Type, source_of, write_message
from protocol.wire import Ack, Data, Hello, OutPosition, chain, pack, read_frame, write_frame
from tests.sim.clock import BEGIN
from tests.sim.founding import keys_of
from tests.sim.trace import Trace

REMEMBERED = 60
"""Frames that the forger keeps of each way."""


class Forger:
    """The forger.

    Args:
        codes: whose keys it may have stolen: it signs in the name of one center with the key of another.
    """

    def __init__(self, random: Random, trace: Trace, codes: list[str]) -> None:
        self._random = random
        self._trace = trace
        self._codes = codes
        self._heard: dict[str, list[bytes]] = {}

    def on_frame(self, way: str, subject: str, data: bytes) -> Iterator[bytes]:
        """What goes on this subject beside this frame."""
        random = self._random
        kept = self._heard.setdefault(subject, [])
        kept.append(data)
        del kept[:-REMEMBERED]
        forged: bytes | None
        match random.randrange(4):
            case 0:
                forged = random.choice(kept)
            case 1:
                forged = random.choice(self._heard[random.choice(list(self._heard))])
            case 2:
                forged = _exchanged(data)
            case _:
                forged = self._signed_wrongly(data)
        if forged is None:
            return
        self._trace.note(way, "net forged", forged)
        yield forged

    def _signed_wrongly(self, data: bytes) -> bytes | None:
        """The frame with a lie in it, signed by somebody else."""
        try:
            frame = read_frame(data)
        except RemoteError:
            return None
        strangers = [code for code in self._codes if code != frame.header.sender]
        key = keys_of(self._random.choice(strangers), self._random.choice([1, 2])).signing
        header, payload = frame.header, frame.payload
        match header:
            case Ack():
                lie = {"seq": header.seq + self._random.randint(0, 3), "digest": to_text(digest(b"a lie"))}
                header = header.model_copy(update=lie)
            case Data():
                header, payload = _other_messages(header)
            case Hello():
                out = OutPosition(seq=7, digest=to_text(digest(b"a lie")))
                lanes = {lane: each.model_copy(update={"out": out}) for lane, each in header.lanes.items()}
                header = header.model_copy(update={"lanes": lanes, "incarnation": "somebody-else"})
        return write_frame(header, key, payload)


def _exchanged(data: bytes) -> bytes | None:
    """The true header with its true signature, and other messages behind it."""
    try:
        frame = read_frame(data)
    except RemoteError:
        return None
    if not isinstance(frame.header, Data):
        return None
    return frame.signed + frame.signature + _other_messages(frame.header)[1]


def _other_messages(header: Data) -> tuple[Data, bytes]:
    """The same numbers with other messages, all digests right."""
    count = header.last - header.first + 1
    messages = [
        write_message(
            Message(
                id=f"forged-{header.first + index}",
                source=source_of(header.sender),
                type=Type.VOID,
                time=BEGIN,
                destination=header.receiver,
                data={},
            )
        )
        for index in range(count)
    ]
    _count, payload = pack(messages)
    end = chain(from_text(header.before), messages)[-1]
    lie = {"digest": to_text(end), "payload_digest": to_text(digest(payload))}
    return header.model_copy(update=lie), payload
