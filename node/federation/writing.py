"""What the machine of a link has to say, written as signed frames."""

from typing import TYPE_CHECKING

from node.federation.healing import Returned
from protocol.keys import digest, to_text
from protocol.link import Link, SendAck, SendData, SendHello, SendRecover, Serve
from protocol.wire import Ack, Data, Hello, Recover, Return, StatusFrame, pack_status, write_frame

if TYPE_CHECKING:
    from node.center import Center

SOFTWARE = "liandong"


class Writer:
    """Writes what we say to one neighbour.

    Args:
        center: our center.
        peer: the neighbour's code.
        process: random id of our process.
    """

    def __init__(self, center: "Center", peer: str, process: str) -> None:
        self._center = center
        self._peer = peer
        self._process = process

    def hello(self, machine: Link, action: SendHello) -> bytes:
        """A greeting: who we are, by which certificates, and how far we are on each lane."""
        identity = self._center.identity
        hello = Hello(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session,
            answering=action.answering,
            incarnation=identity.incarnation,
            former=identity.former,
            process=self._process,
            stopped=machine.telling,
            software=SOFTWARE,
            clock=self._center.clock.now(),
            lanes=machine.positions(),
            chain=tuple(self._center.directory.chain(self._center.code)),
        )
        return write_frame(hello, identity.signing)

    def ack(self, machine: Link, action: SendAck) -> bytes:
        """How far we have committed what came on a lane."""
        ack = Ack(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session,
            lane=action.lane,
            incarnation=machine.peer_incarnation(action.lane),
            seq=action.position.seq,
            digest=to_text(action.position.digest),
            gap=action.gap,
        )
        return write_frame(ack, self._center.identity.signing)

    def data(self, machine: Link, action: SendData) -> bytes:
        """Messages of a lane; they are counted as sent."""
        data = Data(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session,
            lane=action.lane,
            incarnation=self._center.identity.incarnation,
            first=action.first,
            last=action.last,
            before=to_text(action.before),
            digest=to_text(action.digest),
            payload_digest=to_text(digest(action.payload)),
        )
        self._center.metrics.sent(self._peer, action.last - action.first + 1, len(action.payload))
        return write_frame(data, self._center.identity.signing, action.payload)

    def recover(self, machine: Link, action: SendRecover) -> bytes:
        """A question for our own messages, which our database has forgotten."""
        recover = Recover(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session,
            lane=action.lane,
            after=action.after,
        )
        return write_frame(recover, self._center.identity.signing)

    def returned(self, machine: Link, serve: Serve, found: Returned) -> bytes:
        """The answer to such a question: messages of the neighbour's as we took them."""
        header = Return(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session,
            lane=serve.lane,
            first=found.first,
            last=found.last,
            digest=to_text(found.digest),
            payload_digest=to_text(digest(found.payload)),
        )
        return write_frame(header, self._center.identity.signing, found.payload)

    def status(self, machine: Link, document: bytes) -> bytes:
        """A snapshot of counters."""
        payload_digest, payload = pack_status(document)
        header = StatusFrame(
            sender=self._center.code,
            receiver=self._peer,
            session=machine.session or "-",
            payload_digest=payload_digest,
        )
        return write_frame(header, self._center.identity.signing, payload)
