"""Mixed versions: some centers run a newer program, which says more than the others know; later all are upgraded.

A newer process adds a field to every message and every frame header, and its people send messages of a type that the
older ones have never heard of, also about cases. The older ones store, acknowledge and park them; after the upgrade
each must have been applied exactly once.

Versions belong to processes, and all processes of a simulation share one interpreter: the tables of types ask whose
turn it is (``LIFE``).
"""

from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text

from node.federation import handlers, inbox, link_runner, outbox, reading
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
TABLE = "CREATE TABLE future_applied (serial INTEGER NOT NULL)"

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
        (link_runner, "write_frame", _write_frame),
    ]
    for module, name, value in modules:
        setattr(module, name, value)


def _on_future(unit: Unit, message: Message, payload: Future) -> None:
    del message
    unit.session.execute(text("INSERT INTO future_applied (serial) VALUES (:serial)"), {"serial": payload.serial})


def _write_message(message: Message) -> bytes:
    return messages.write_message(message.model_copy(update={"novelty": "新"}) if is_newer() else message)


def _write_frame(header: Header, key: SigningKey, payload: bytes = b"") -> bytes:
    return wire.write_frame(header.model_copy(update={"novelty": 9}) if is_newer() else header, key, payload)


class Futures:
    """The messages of the new type of one world.

    Attributes:
        sent: destination of each that was committed, by serial number.
    """

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._serial = 0
        self.sent: dict[int, str] = {}

    def send(self, machine: "Machine") -> None:
        """Somebody at a newer center uses what only it has."""
        others = [code for code in self._world.machines if code != machine.code]
        ids = [row[0] for row in machine.disk.raw.execute("SELECT id FROM cases ORDER BY id")]
        subject = self._random.choice(ids) if ids and self._random.random() < 0.6 else None
        destination = self._random.choice(others)
        self._serial += 1
        serial = self._serial
        machine.act(lambda center: _send(center, destination, subject, serial))
        self.sent[serial] = destination

    def not_applied_once(self) -> str | None:
        """Which of them was not applied exactly once."""
        for serial, destination in self.sent.items():
            raw = self._world.machines[destination].disk.raw
            count = raw.execute("SELECT count(*) FROM future_applied WHERE serial = ?", (serial,)).fetchone()[0]
            if count != 1:
                return f"message {serial} of the new type was applied {count} times at {destination}"
        return None


def _send(center: "Center", destination: str, subject: str | None, serial: int) -> None:
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
