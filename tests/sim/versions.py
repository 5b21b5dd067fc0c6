"""Mixed versions: some centers run a newer program, which says more than the others know; later all are upgraded.

A newer process adds a field to every message and every frame header, and its people send messages of a type that the
older ones have never heard of, also about cases. The older ones store, acknowledge and park them; after the upgrade
each must have been applied exactly once, and before anything that its source wrote of the case later: what waits behind
a parked message has waited.

Versions belong to processes, and all processes of a simulation share one interpreter: the tables of types ask whose
turn it is (``LIFE``).
"""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text

from node.federation import handlers, inbox, outbox, reading, writing
from node.unit import Unit, unit_of
from protocol import messages, wire
from protocol.keys import SigningKey
from protocol.messages import Lane, Message, source_of
from protocol.records import Frozen
from protocol.sealing import seal_message
from protocol.wire import Header
from tests.sim.loop import LIFE

if TYPE_CHECKING:
    from node.center import Center
    from tests.sim.machine import Machine
    from tests.sim.world import World

FUTURE = "cn.liandong.future.v9"
TABLE = "CREATE TABLE future_applied (serial INTEGER NOT NULL, seq INTEGER NOT NULL)"
"""What was applied, and how many entries of its case the database had then."""

Value = TypeVar("Value")


class Future(Frozen):
    """What the newer version says."""

    serial: int


def is_newer() -> bool:
    """Whether the process whose turn it is runs the newer version."""
    life = LIFE.get()
    return life is not None and life.newer


class Versioned(dict[str, Value]):
    """A table of types that knows the new type in newer processes only."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) and (key != FUTURE or is_newer())


def install() -> None:
    """Teach this interpreter both versions; once in a process."""
    payloads = Versioned({**messages.PAYLOADS, FUTURE: Future})
    modules: list[tuple[Any, str, object]] = [
        (messages, "PAYLOADS", payloads),
        (reading, "PAYLOADS", payloads),
        (inbox, "HANDLERS", {**handlers.HANDLERS, FUTURE: _on_future}),  # as an upgrade would
        (outbox, "write_message", _write_message),
        (writing, "write_frame", _write_frame),
    ]
    for module, name, value in modules:
        setattr(module, name, value)


def _on_future(unit: Unit, message: Message, payload: Future) -> None:
    state = unit.book.state(message.subject) if message.subject is not None else None
    values = {"serial": payload.serial, "seq": state.seq if state is not None else 0}
    unit.session.execute(text("INSERT INTO future_applied (serial, seq) VALUES (:serial, :seq)"), values)


def _write_message(message: Message) -> bytes:
    return messages.write_message(message.model_copy(update={"novelty": "新"}) if is_newer() else message)


def _write_frame(header: Header, key: SigningKey, payload: bytes = b"") -> bytes:
    return wire.write_frame(header.model_copy(update={"novelty": 9}) if is_newer() else header, key, payload)


@dataclass(frozen=True)
class Said:
    """A message of the new type that was committed.

    Attributes:
        subject: the case that it is about.
        after: where its source held that case: how many entries it had then.
    """

    destination: str
    subject: str | None
    after: int | None


class Futures:
    """The messages of the new type of one world.

    Attributes:
        sent: each that was committed, by serial number.
    """

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._serial = 0
        self.sent: dict[int, Said] = {}

    def send(self, machine: "Machine") -> Said:
        """Somebody at a newer center uses what only it has, mostly towards a neighbour and of a case that it holds."""
        random = self._random
        others = [each for each in self._world.machines.values() if each is not machine]
        neighbours = [each for each in others if each.parent == machine.code or machine.parent == each.code]
        destination = random.choice(neighbours if neighbours and random.random() < 0.7 else others).code
        ids = [row[0] for row in machine.disk.raw.execute("SELECT id FROM cases ORDER BY id")]
        held = [row[0] for row in machine.disk.raw.execute(_HELD, (machine.code,))]
        subject = random.choice(held if held and random.random() < 0.7 else ids) if ids else None
        if random.random() < 0.2:
            subject = None
        self._serial += 1
        serial = self._serial
        after: list[int | None] = []
        machine.act(lambda center: after.append(_send(center, destination, subject, serial)))
        self.sent[serial] = said = Said(destination, subject, after[0])
        return said

    def not_applied_once(self) -> str | None:
        """Which of them was not applied exactly once, and in its turn."""
        for serial, said in self.sent.items():
            raw = self._world.machines[said.destination].disk.raw
            found = raw.execute("SELECT seq FROM future_applied WHERE serial = ?", (serial,)).fetchall()
            what = f"message {serial} of the new type"
            if len(found) != 1:
                return f"{what} was applied {len(found)} times at {said.destination}"
            if said.after is not None and found[0][0] > said.after:
                return f"{what}, said after entry {said.after}, was applied after entry {found[0][0]}"
        return None


_HELD = "SELECT id FROM cases WHERE holder = ? ORDER BY id"


def _send(center: "Center", destination: str, subject: str | None, serial: int) -> int | None:
    """Queue one; how many entries its case has, where we hold it."""
    with unit_of(center) as unit:
        message = Message(
            id=unit.new_id(),
            source=source_of(unit.me),
            type=FUTURE,
            time=unit.now,
            destination=destination,
            subject=subject,
            data={"serial": serial, "novelty": "新"},
        )
        neighbour = unit.tree.route(unit.me, destination)
        assert neighbour is not None
        if neighbour != destination:
            sealing_key = unit.tree.claims[destination].sealing_key
            message = seal_message(message, center.identity.signing, sealing_key, center.random_bytes(32))
        unit.outbox.forward(message, neighbour, Lane.CASE)
        state = unit.book.state(subject) if subject is not None else None
        return state.seq if state is not None and state.holder == unit.me else None
