"""One unit of work: everything that happens in one transaction of one center.

Whoever changes cases does it through a ``Unit``: it folds and stores entries (``book``), collects messages
(``outbox``), and counts (``ledger``). ``finish`` writes what was collected; the caller's ``database.write()`` block
commits once.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from node.cases.awaiting import Awaiting
from node.cases.book import Book
from node.federation.outbox import Outbox
from node.status.ledger import Ledger
from protocol.records import SALT_BYTES

if TYPE_CHECKING:
    from node.center import Center


class Unit:
    """A unit of work.

    Args:
        center: the center, wired.
        session: an open write transaction.
    """

    def __init__(self, center: "Center", session: Session) -> None:
        self.center = center
        self.session = session
        self.now: datetime = center.clock.now()
        self.me = center.identity.code
        self.tree = center.directory.tree
        self.ledger = Ledger(session, self.me, center.identity.incarnation, self.now, self.tree.level)
        self.book = Book(session, self.ledger, self.me)
        self.outbox = Outbox(center, session, self.now)
        self.awaiting = Awaiting(session, self.me)

    def new_id(self) -> str:
        """A fresh random id."""
        return str(uuid.UUID(bytes=self.center.random_bytes(16), version=4))

    def new_salt(self) -> bytes:
        """A fresh salt for a body's digest."""
        return self.center.random_bytes(SALT_BYTES)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A part that may fail as a whole: what it wrote and collected is undone if it raises."""
        memory = self.book.snapshot(), self.outbox.snapshot(), self.ledger.snapshot()
        tree, known = self.tree, self.center.directory.known
        try:
            with self.session.begin_nested():
                yield
        except BaseException:
            self.book.restore(memory[0])
            self.outbox.restore(memory[1])
            self.ledger.restore(memory[2])
            if self.tree is not tree:  # certificates came in this part
                self.tree = tree
                self.center.directory.untake(self.session, known)
            raise

    def finish(self) -> None:
        """Write what was collected; call it last in the transaction."""
        self.book.flush()
        self.ledger.flush()
        self.outbox.flush()


@contextmanager
def unit_of(center: "Center", *, behind_people: bool = False) -> Iterator[Unit]:
    """A unit of work in a transaction of its own, committed at the end of the block."""
    with center.database.write(behind_people=behind_people) as session:
        unit = Unit(center, session)
        yield unit
        unit.finish()


def system_random(count: int) -> bytes:
    """Random bytes of the operating system."""
    return os.urandom(count)
