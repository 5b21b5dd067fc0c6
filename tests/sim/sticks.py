"""Files on a memory stick: what waits is carried past the wire, in either direction, late, twice, or never read."""

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from node.federation.carry_in import carry_in
from node.federation.carry_out import carry_out
from node.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.machine import Machine
    from tests.sim.world import World


class Sticks:
    """All sticks of a world; the files lie in a directory that goes with it.

    Attributes:
        carried: whether one was ever read.
    """

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._directory: Path | None = None
        self._count = 0
        self.carried = False

    def carry(self) -> None:
        """Somebody takes a stick from a center to its parent or back, and perhaps an older one with it."""
        children = [machine for machine in self._world.machines.values() if machine.parent is not None]
        child = self._random.choice(children)
        assert child.parent is not None
        ends = [child, self._world.machines[child.parent]]
        self._random.shuffle(ends)
        sender, receiver = ends
        file = self._file()
        self._attempt(
            sender, f"carry out {file.name}", lambda: sender.act(lambda it: carry_out(it, receiver.code, file))
        )
        for _reading in range(self._random.choice([1, 1, 2])):
            self._world.loop.call_later(self._random.uniform(0.1, 12.0), self._read, receiver, file)

    def _read(self, receiver: "Machine", file: Path) -> None:
        if file.exists():
            self.carried = True
            self._attempt(receiver, f"carry in {file.name}", lambda: receiver.act(lambda it: carry_in(it, file)))

    def _attempt(self, machine: "Machine", what: str, work: "Callable[[], object]") -> None:
        def tried() -> None:
            try:
                work()
            except Trouble as trouble:  # not now; its words name a path, which is another one in each run
                self._world.trace.note(machine.name, "stick refused", f"{what}: {type(trouble).__name__}")

        self._world.actors.attempt(machine, what, tried)

    def _file(self) -> Path:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="liandong-sim-"))
        self._count += 1
        return self._directory / f"{self._count}.ldc"

    def end(self) -> None:
        """Throw the sticks away."""
        if self._directory is not None:
            shutil.rmtree(self._directory)
