"""Looking into a center's database: what it keeps of a case, and whether certain words stand in it."""

from collections.abc import Iterator

from sqlalchemy import select, text

from node.cases.tables import CaseRow, EntryRow, HeldBackRow, RequestRow
from node.db import Base
from node.federation.tables import ParkedRow, ReceivedFrameRow
from protocol.compression import decompress
from tests.cases.scene import Desk

FRAME_MAX = 1 << 24


def rows_about(desk: Desk, case: str) -> list[str]:
    """The tables that hold rows of a case, once for each row."""
    with desk.member.read() as session:
        found = [CaseRow.__tablename__] * len(session.scalars(select(CaseRow.id).where(CaseRow.id == case)).all())
        for table in (EntryRow, HeldBackRow, RequestRow, ParkedRow):
            found += [table.__tablename__] * len(session.scalars(select(table).where(table.case_id == case)).all())
        return found


def traces(desk: Desk) -> tuple[object, ...]:
    """Numbers that change with whatever an act leaves behind: entries, states, requests, messages, numbers given."""
    with desk.center.database.engine.connect() as connection:
        return tuple(connection.execute(_TRACES).one())


_TRACES = text("""
    SELECT (SELECT count(*) FROM cases), (SELECT sum(seq) FROM cases), (SELECT sum(epoch) FROM cases),
        (SELECT count(*) FROM entries), (SELECT count(*) FROM requests), (SELECT count(*) FROM held_back),
        (SELECT count(*) FROM tombstones), (SELECT count(*) FROM parked), (SELECT sum(last) FROM numbers),
        (SELECT count(*) FROM outbox WHERE lane = 'case'), (SELECT sum(last_seq) FROM lanes WHERE lane = 'case')
""")


def received_by(desk: Desk) -> str:
    """All that ever came to a center, as it was sent."""
    with desk.member.read() as session:
        rows = select(ReceivedFrameRow.payload).order_by(ReceivedFrameRow.received_at, ReceivedFrameRow.first_seq)
        return "\n".join(decompress(payload, FRAME_MAX).decode() for payload in session.scalars(rows))


def tells(desk: Desk, *words: str) -> list[str]:
    """Which of these words stand anywhere in a center's database, frames unpacked."""
    stored = "\n".join([*_values(desk), received_by(desk)])
    return [word for word in words if word in stored]


def _values(desk: Desk) -> Iterator[str]:
    with desk.member.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                for value in row:
                    yield value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
