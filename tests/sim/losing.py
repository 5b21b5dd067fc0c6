"""A center loses its machine with all that was on it, and joins anew, as people do it.

At the parent: the old link is set aside, and when its service has let go of it, ``enroll --again`` makes new keys and a
join file. At the center: ``join`` fills an empty database and begins the recovery. Whoever is away is tried again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from node.cases import recovery
from node.center import Center
from node.db import Database, DatabaseUnavailable
from node.directory import add_certificates
from node.enrolment import enroll, set_aside
from node.federation.lanes import add_link
from node.federation.tables import IdentityRow
from node.identity import Keys
from node.join_file import JoinFile
from node.settings import OwnBroker, settings_of
from protocol.keys import from_text
from tests.sim.founding import COUNTY, NOWHERE, empty_disk, keys_of
from tests.sim.loop import Crash

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

AGAIN_S = 3.0
"""Pause before people try again what the parent could not do."""
LETS_GO_S = 8.0
"""After so long the parent's service has let go of a link that was set aside: longer than three of its ticks."""


class Loss:
    """One center's loss, until it is back."""

    def __init__(self, world: "World", machine: "Machine") -> None:
        self._world = world
        self._machine = machine
        assert machine.parent is not None
        self._parent = world.machines[machine.parent]

    def begin(self) -> None:
        """The machine is gone."""
        machine = self._machine
        machine.crash("its machine is lost", with_broker=True)
        machine.absent = True
        self._world.trace.note(machine.code, "fault", "lost")
        self._world.oracle.forget(machine, empty_disk())
        self._world.loop.call_later(AGAIN_S, self._set_aside)

    def _set_aside(self) -> None:
        if self._at_parent(lambda center: set_aside(center, self._machine.code)):
            self._world.loop.call_later(LETS_GO_S, self._enroll)
        else:
            self._world.loop.call_later(AGAIN_S, self._set_aside)

    def _enroll(self) -> None:
        found: list[JoinFile] = []
        if self._at_parent(lambda center: found.append(self._enroll_at(center))):
            self._join(found[0])
        else:
            self._world.loop.call_later(AGAIN_S, self._enroll)

    def _enroll_at(self, center: Center) -> JoinFile:
        given = {"code": center.code, "level": center.level.name, "root_key": center.root_key}
        settings = settings_of(NOWHERE, {**given, "broker": OwnBroker(port=4222)}, place="simulation")
        return enroll(center, settings, self._machine.code, again=True)

    def _at_parent(self, work: Callable[[Center], object]) -> bool:
        """Let the parent's people do something; says whether it was done."""
        if not self._parent.running:
            return False
        try:
            self._parent.act(work)
        except (Crash, DatabaseUnavailable):
            return False
        return True

    def _join(self, file: JoinFile) -> None:
        machine = self._machine
        machine.keys = Keys(from_text(file.signing_seed), from_text(file.sealing_seed))
        self._world.keys[machine.code].append(machine.keys.signing.public)
        database = Database("sqlite://", machine.disk.engine)
        now = machine.clock.now()
        incarnation = machine.keys.sealing_seed.hex()[:32]
        with database.write() as session:
            session.add(IdentityRow(code=machine.code, incarnation=incarnation, created_at=now))
            add_certificates(session, file.chain, keys_of(COUNTY).signing.public)
            add_link(session, self._parent.code, "up", None)
            recovery.begin(session, machine.code, now, file.numbers)
        machine.absent = False
        self._world.restart_later(machine)
