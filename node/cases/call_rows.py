"""Calls of our stations as rows: a projection of the log, kept in the transaction that writes the entries."""

from collections.abc import Iterable

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from node.cases.tables import CallRow
from protocol.entries import Called, Entry, Reported


def project(session: Session, me: str, entries: Iterable[Entry]) -> None:
    """Keep what these entries, just written, say of our own calls."""
    for entry in entries:
        head, body = entry.head, entry.body
        if head.center != me:
            continue
        if isinstance(body, Called):
            row = CallRow(
                case_id=head.case_id,
                seq=head.seq,
                station_id=body.station_id,
                task=body.task.replace("\0", ""),
                called_at=head.at,
                report_by=body.report_by,
                reported_at=None,
            )
            session.merge(row)
            session.flush()
        elif isinstance(body, Reported):
            answered = update(CallRow).where(CallRow.case_id == head.case_id, CallRow.seq == body.call_seq)
            session.execute(answered.values(reported_at=head.at))


def forget(session: Session, case_id: str, after_seq: int = 0) -> None:
    """The end of a log was taken away: what stood there was not called, nor reported."""
    ours = CallRow.case_id == case_id
    session.execute(delete(CallRow).where(ours, CallRow.seq > after_seq))
