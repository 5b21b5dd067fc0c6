"""Files that cases of ours name and that are not here: asked for, piece by piece, until they are.

Theory of operation. Whoever reads a case whole and lacks a file that its log names asks for it; nobody sends one
unasked. So a file follows wherever the case goes (up, down, to a new partner, to a successor, to a database that was
lost), by one rule. Asked is first who stands nearest, which costs the fewest lines; who added it, before others at the
same distance. Pieces come in order on the bulk lane. At most ``WANTED_MAX`` are asked for ahead, so the outboxes on the
way hold half a megabyte of a file, not the file; the next are asked for when half of these have come. The question and
the pieces are ordinary messages: a line that breaks and a process that dies delay them. What is lost with somebody's
database is asked for again after ``PATIENCE``, from the first piece that is missing.

When all have come, their SHA-256 is compared with what the log says; only then is the file here. What is something
else is thrown away, and the next center is asked.
"""

from base64 import b64decode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from node.access import Access
from node.attachments.store import FileStore, pieces_of
from node.attachments.tables import AttachmentRow, FileRow
from node.cases.tables import CaseRow
from node.federation.tables import LaneRow, OutboxRow
from node.unit import Unit, unit_of
from protocol.case import CaseState
from protocol.centers import Tree
from protocol.errors import BadRecord
from protocol.messages import Lane, Message, Type
from protocol.payloads import PIECE_BYTES, WANTED_MAX, AttachmentAbsent, AttachmentPiece, AttachmentWanted

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

AT_ONCE = 3
"""Files that are on their way to us at the same time; the smallest first, so photos don't wait for a film."""
PATIENCE = timedelta(minutes=10)
"""So long without a piece, although the question has left, and it is asked again."""
PAUSE = timedelta(minutes=1)
"""So long until it is tried again where nobody could give it, or there was no room."""
PAUSES_MAX = 64
"""The pause doubles with each round in which nobody could give it, up to so many times: an hour."""
AHEAD_MIN = WANTED_MAX // 2
"""The next pieces are asked for when so few are still to come."""


def go_on(center: "Center") -> bool:
    """Take over what is complete, and ask for what is missing; says whether there may be more to do at once."""
    if center.files is None:
        return False
    now = center.clock.now()
    with center.database.read() as session:
        complete = session.scalars(_complete()).all()
        missing = bool(session.scalar(_due(now).limit(1)))
    for sha256 in complete:
        _take_over(center, center.files, sha256)
    if not missing:
        return False
    with unit_of(center, behind_people=True) as unit:
        return ask(unit, center.files) > 0


def _complete() -> Select[str]:
    """Files of which all pieces are here."""
    all_came = FileRow.got * PIECE_BYTES >= FileRow.size
    return select(FileRow.sha256).where(FileRow.here_at.is_(None), all_came).limit(AT_ONCE)


def _due(now: datetime) -> Select[FileRow]:
    """Files that cases name which we read whole, that are not here and may be asked for now; the smallest first."""
    return (
        select(FileRow)
        .where(FileRow.here_at.is_(None), or_(FileRow.ask_at.is_(None), FileRow.ask_at <= now), _is_ours())
        .where(FileRow.got * PIECE_BYTES < FileRow.size)
        .order_by(FileRow.size, FileRow.sha256)
    )


def _is_ours() -> ColumnElement[bool]:
    full = and_(CaseRow.id == AttachmentRow.case_id, CaseRow.access == Access.FULL)
    return select(AttachmentRow.seq).join(CaseRow, full).where(AttachmentRow.sha256 == FileRow.sha256).exists()


def _take_over(center: "Center", files: FileStore, sha256: str) -> None:
    """All pieces came: the file gets its place if it is what the log says, outside of any transaction."""
    try:
        sound = files.complete(sha256) or files.is_sound(sha256)
    except OSError as error:
        log.error("attachment.not_kept", sha256=sha256, reason=error.strerror or str(error))
        return
    with center.database.write() as session:
        row = session.get(FileRow, sha256, with_for_update=True)
        if row is None:
            return
        if sound:
            row.here_at, row.asked_of, row.ask_at = center.clock.now(), None, None
        else:
            log.error("attachment.not_what_it_says", sha256=sha256, sender=row.asked_of)
            want_again(row)
            row.tries, row.ask_at = row.tries + 1, center.clock.now() + PAUSE


def want_again(row: FileRow) -> None:
    """What we have of this file is worth nothing: it is to be asked for from its beginning."""
    row.here_at = row.ask_at = row.asked_of = None
    row.got = row.asked = 0


# --- asking ----------------------------------------------------------------------------------------


def ask(unit: Unit, files: FileStore) -> int:
    """Ask for missing files, as many as may be on their way at once; returns how many questions were sent."""
    under_way = select(func.count()).where(
        FileRow.here_at.is_(None), FileRow.asked > FileRow.got, FileRow.ask_at > unit.now
    )
    free = AT_ONCE - (unit.session.scalar(under_way) or 0)
    if free <= 0:
        return 0
    rows = unit.session.scalars(_due(unit.now).limit(free).with_for_update()).all()
    return sum(_ask_for(unit, files, row) for row in rows)


def _ask_for(unit: Unit, files: FileStore, row: FileRow) -> bool:
    found = _who_has_it(unit, row.sha256)
    row.ask_at = unit.now + PAUSE
    if not found:
        return False
    if not files.has_room(row.size):
        log.error("attachment.no_room", size=row.size)
        return False
    if row.asked_of is not None and row.asked > row.got and _still_waits(unit.session, row.asked_of):
        row.ask_at = unit.now + PATIENCE  # the line is down: what was asked will leave when it is up
        return False
    case_id, center = found[row.tries % len(found)]
    row.asked, row.asked_of = row.got, center
    return _ask_next(unit, row, case_id, WANTED_MAX)


def _ask_next(unit: Unit, row: FileRow, case_id: str, count: int) -> bool:
    first, last = row.asked + 1, min(row.asked + count, pieces_of(row.size))
    assert row.asked_of is not None
    wanted = AttachmentWanted(case_id=case_id, sha256=row.sha256, first=first, last=last)
    if unit.outbox.send(Type.ATTACHMENT_WANTED, wanted, row.asked_of) is None:
        row.tries += 1
        return False
    row.asked, row.ask_at = last, unit.now + PATIENCE
    return True


def _still_waits(session: Session, destination: str) -> bool:
    """Whether a message of ours to this center still waits for the first neighbour on its way."""
    waits = (
        select(OutboxRow.seq)
        .join(LaneRow, (LaneRow.peer == OutboxRow.peer) & (LaneRow.lane == OutboxRow.lane))
        .where(
            OutboxRow.lane == Lane.BULK.value, OutboxRow.destination == destination, OutboxRow.seq > LaneRow.acked_seq
        )
    )
    return session.scalar(waits.limit(1)) is not None


def _who_has_it(unit: Unit, sha256: str) -> list[tuple[str, str]]:
    """Cases of ours that name a file, and the centers that should have it for them; the nearest first."""
    named = (
        select(CaseRow.id, CaseRow.state, AttachmentRow.center)
        .join(AttachmentRow, AttachmentRow.case_id == CaseRow.id)
        .where(AttachmentRow.sha256 == sha256, CaseRow.access == Access.FULL, CaseRow.state.is_not(None))
        .order_by(AttachmentRow.case_id)
    )
    found: dict[str, tuple[bool, str]] = {}
    for case_id, text, adder in unit.session.execute(named):
        state = CaseState.model_validate_json(str(text))
        for code in {unit.tree.heir(adder), *state.followers} - {unit.me}:
            if unit.outbox.reachable(code) and (code not in found or code == adder):
                found[code] = code != adder, case_id
    order = sorted(found, key=lambda code: (distance(unit.tree, unit.me, code), found[code][0], code))
    return [(found[code][1], code) for code in order]


def distance(tree: Tree, one: str, other: str) -> int:
    """Links between two centers of the tree."""
    ways = [[code, *tree.ancestors(code)] for code in (one, other)]
    shared = set(ways[0]) & set(ways[1])
    return sum(len([code for code in way if code not in shared]) for way in ways)


# --- what comes ------------------------------------------------------------------------------------


def on_piece(unit: Unit, message: Message, payload: AttachmentPiece) -> None:
    """The next piece of a file that we asked for; any other one is of no use.

    Raises:
        BadRecord: it is no base64, or not as long as that piece is.
    """
    row = unit.session.get(FileRow, payload.sha256, with_for_update=True)
    files = unit.center.files
    if row is None or files is None or row.here_at is not None or row.asked_of != message.sender:
        return
    if payload.piece != row.got + 1 or payload.piece > row.asked:
        log.info("attachment.out_of_order", sha256=payload.sha256, piece=payload.piece, got=row.got)
        return
    try:
        piece = b64decode(payload.data, validate=True)
    except ValueError as error:
        raise BadRecord("a piece of a file is no base64") from error
    if len(piece) != min(PIECE_BYTES, row.size - row.got * PIECE_BYTES):
        raise BadRecord("a piece of a file is not as long as it should be")
    try:
        files.keep_piece(row.sha256, payload.piece, piece)
    except OSError as error:
        log.error("attachment.not_kept", sha256=payload.sha256, reason=error.strerror or str(error))
        row.asked, row.ask_at = row.got, unit.now + PAUSE
        return
    row.got, row.ask_at, row.tries = payload.piece, unit.now + PATIENCE, 0
    if row.asked - row.got <= AHEAD_MIN and row.asked < pieces_of(row.size):
        case_id = next((case_id for case_id, center in _who_has_it(unit, row.sha256) if center == row.asked_of), None)
        if case_id is not None:
            _ask_next(unit, row, case_id, AHEAD_MIN)
    unit.session.flush()


def on_absent(unit: Unit, message: Message, payload: AttachmentAbsent) -> None:
    """Who was asked can't give it: the next one is asked; after the last, all again a little later."""
    row = unit.session.get(FileRow, payload.sha256, with_for_update=True)
    if row is None or row.here_at is not None or row.asked_of != message.sender:
        return
    row.tries += 1
    row.asked, row.asked_of = row.got, None
    others = len(_who_has_it(unit, row.sha256))
    rounds = row.tries // others if others else 0
    again = unit.now + PAUSE * min(2**rounds, PAUSES_MAX)
    row.ask_at = None if others and row.tries % others else again
    unit.session.flush()
    log.info("attachment.absent", sha256=payload.sha256, sender=message.sender, reason=payload.reason)
