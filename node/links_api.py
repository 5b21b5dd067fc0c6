"""The center itself and its links, over HTTP. Mounted under ``/api/v1``."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.cases import recovery
from node.cases.api import Here
from node.center import Center
from node.federation import inbox, kept_backups, lanes, nightly
from node.federation.tables import InboxRow, LaneRow, LinkRow, OutboxRow, ParkedRow
from node.i18n import N_
from node.problems import Problem
from protocol.codes import CenterCode
from protocol.messages import Lane
from protocol.records import Instant, Token

router = APIRouter(tags=["center"])

PARKED_MAX = 200
"""Parked messages of one answer."""


class CenterOut(BaseModel):
    """A center, by its certificate."""

    code: CenterCode
    name: str
    level: str
    parent: CenterCode | None
    children: list[str]
    version: int
    successor: CenterCode | None
    """The center that this one was merged into, and that answers for it."""
    takes_part: bool


class ThisCenterOut(CenterOut):
    """The center that answers."""

    incarnation: str


class LinkOut(BaseModel):
    """A link to a neighbour.

    ``sent``, ``acked``, ``applied`` count messages of both lanes: offered by us, held by the peer's database, held
    by ours. ``backup_at`` tells when the newest sealed backup was made that we keep for this child, or that the parent
    has of us; ``lost`` which numbers a child lost with its database.
    """

    peer: str
    name: str
    direction: str
    state: str
    stop_reason: str | None
    healing: bool = False
    """Whether our database went back in time and this neighbour has not shown yet that we have all of ours again."""
    connected: bool
    wire_error: str | None
    session: str | None
    sent: int
    acked: int
    applied: int
    backlog: int
    oldest_unacked_at: Instant | None
    parked: int
    refused: int = 0
    """Frames of the neighbour that were refused since the link began."""
    limited_until: Instant | None = None
    """Until when it is not listened to, since it sent too many of them."""
    last_hello_at: Instant | None
    clock_offset: float | None
    backup_at: Instant | None
    lost: dict[str, str]
    lanes: dict[str, dict[str, int]]


@router.get("/center")
def center(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_center))]) -> ThisCenterOut:
    """The center that answers."""
    return ThisCenterOut(**_center(here, here.code).model_dump(), incarnation=here.identity.incarnation)


@router.get("/centers")
def centers(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_center))]) -> list[CenterOut]:
    """All centers known by certificate that take part, and those that were merged, with their successors."""
    tree = here.directory.tree
    return [_center(here, code) for code in sorted(tree.claims) if tree.known(code) or tree.retired(code)]


def _center(here: Center, code: str) -> CenterOut:
    tree = here.directory.tree
    claims = tree.claims.get(code)
    if claims is None:
        raise Problem(404, N_("not-found"), N_("There is no center {to} in this federation."), to=code)
    return CenterOut(
        code=code,
        name=claims.name,
        level=claims.level,
        parent=claims.parent,
        children=tree.children(code),
        version=claims.version,
        successor=tree.heir(code) if tree.retired(code) else None,
        takes_part=tree.known(code),
    )


class ParkedOut(BaseModel):
    """A message that could not be applied and waits; its content stays in the database."""

    id: str
    peer: str
    lane: str
    seq: int
    type: str | None
    case_id: str | None
    reason: str
    parked_at: Instant


class RetryOut(BaseModel):
    """What became of parked messages that were tried again."""

    applied: int
    parked: int


class ParkedElsewhereOut(BaseModel):
    """A message of ours that its destination could not apply; it waits there, and somebody there must look at it."""

    message_id: str
    destination: str
    case_id: str | None
    reason: str
    queued_at: Instant


@router.get("/parked")
def parked(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_links))]) -> list[ParkedOut]:
    """Messages that could not be applied, oldest first, with their reasons; at most 200."""
    with here.database.read() as session:
        return read_parked(session)


def read_parked(session: Session) -> list[ParkedOut]:
    """The oldest messages that are parked here."""
    rows = session.scalars(select(ParkedRow).order_by(ParkedRow.number).limit(PARKED_MAX))
    return [ParkedOut.model_validate(row, from_attributes=True) for row in rows]


@router.get("/parked/elsewhere")
def parked_elsewhere(
    here: Here, _caller: Annotated[Caller, Depends(require(Action.read_links))]
) -> list[ParkedElsewhereOut]:
    """Messages of ours that their destinations could not apply, as they told us; at most 200."""
    with here.database.read() as session:
        return read_parked_elsewhere(session)


def read_parked_elsewhere(session: Session) -> list[ParkedElsewhereOut]:
    """The oldest messages of ours that are parked at their destinations."""
    query = select(
        OutboxRow.message_id, OutboxRow.destination, OutboxRow.case_id, OutboxRow.parked_reason, OutboxRow.queued_at
    ).where(OutboxRow.parked_reason.is_not(None))
    rows = session.execute(query.order_by(OutboxRow.queued_at, OutboxRow.seq).limit(PARKED_MAX))
    return [
        ParkedElsewhereOut(
            message_id=row.message_id,
            destination=row.destination,
            case_id=row.case_id,
            reason=row.parked_reason,
            queued_at=row.queued_at,
        )
        for row in rows
    ]


def note_retry(here: Center, request: Request, caller: Caller, parked_id: str = "") -> None:
    """Somebody has parked messages tried again. Each is a transaction of its own, hence this stands before them."""
    with here.database.write() as session:
        actor = actor_of(request, caller)
        record(session, here.clock.now(), actor, Event.PARKED_RETRIED, subject=parked_id)


@router.post("/parked/retry")
def retry(here: Here, request: Request, caller: Annotated[Caller, Depends(require(Action.manage_links))]) -> RetryOut:
    """Try all parked messages again; what fails again stays, with its newest reason."""
    note_retry(here, request, caller)
    applied, stay = inbox.retry_parked(here)
    return RetryOut(applied=applied, parked=stay)


@router.post("/parked/{parked_id}/retry")
def retry_one(
    here: Here, request: Request, parked_id: Token, caller: Annotated[Caller, Depends(require(Action.manage_links))]
) -> RetryOut:
    """Try one parked message again, and those of its case behind it."""
    note_retry(here, request, caller, parked_id)
    applied, stay = inbox.retry_parked(here, parked_id)
    if not applied + stay:
        raise Problem(404, N_("not-found"), N_("No such message is parked here."))
    return RetryOut(applied=applied, parked=stay)


@router.get("/links")
def links(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_links))]) -> list[LinkOut]:
    """All links of this center."""
    with here.database.read() as session:
        return read_links(here, session)


def read_links(here: Center, session: Session) -> list[LinkOut]:
    """All links that are not revoked, parent first. Every page asks this, so each table is read once for all links."""
    rows = session.scalars(
        select(LinkRow).where(LinkRow.revoked_at.is_(None)).order_by(LinkRow.direction.desc(), LinkRow.peer)
    ).all()
    known = _Known(session, here, any(row.direction == "up" for row in rows))
    return [_link(here, known, row) for row in rows]


class _Known:
    """What the tables say of all links."""

    def __init__(self, session: Session, here: Center, has_parent: bool) -> None:  # noqa: FBT001 - one caller, above
        self.outward = {(row.peer, row.lane): row for row in session.scalars(select(LaneRow))}
        inward = select(InboxRow.peer, InboxRow.lane, InboxRow.applied_seq)
        self.applied = {(peer, lane): seq for peer, lane, seq in session.execute(inward)}
        counted = session.execute(select(ParkedRow.peer, func.count()).group_by(ParkedRow.peer))
        self.parked: dict[str, int] = dict(counted.all())
        self.oldest = lanes.oldest_unacked(session)
        self.backups = kept_backups.newest_by_center(session)
        if has_parent:
            self.at_parent = nightly.newest_at_parent(session)
        self.lost = recovery.lost_numbers(session)
        self.me = here.code

    def backup_at(self, row: LinkRow) -> datetime | None:
        """When the newest backup was made that is where it should be."""
        return self.at_parent if row.direction == "up" else self.backups.get(row.peer)


def _link(here: Center, known: _Known, row: LinkRow) -> LinkOut:
    federation = here.federation
    runner = federation.links.get(row.peer) if federation is not None else None
    numbers = {lane.value: _numbers(known, row.peer, lane) for lane in Lane}
    total = {name: sum(one[name] for one in numbers.values()) for name in ("sent", "acked", "applied", "backlog")}
    return LinkOut(
        peer=row.peer,
        name=here.directory.tree.name(row.peer),
        direction=row.direction,
        state=row.state,
        stop_reason=row.stop_reason,
        healing=row.healing,
        connected=row.state == "linked",
        wire_error=runner.transport.last_error if runner is not None else None,
        session=(runner.machine.session or None) if runner is not None else None,
        **total,
        oldest_unacked_at=known.oldest.get(row.peer),
        parked=known.parked.get(row.peer, 0),
        refused=row.refused,
        limited_until=row.limited_until if row.limited_until and row.limited_until > here.clock.now() else None,
        last_hello_at=row.last_hello_at,
        clock_offset=row.clock_offset,
        backup_at=known.backup_at(row),
        lost=known.lost.get(row.peer if row.direction == "down" else known.me, {}),
        lanes=numbers,
    )


def _numbers(known: _Known, peer: str, lane: Lane) -> dict[str, int]:
    """One lane, both ways."""
    outward = known.outward[peer, lane]
    return {
        "sent": outward.offered_seq,
        "acked": outward.acked_seq,
        "applied": known.applied[peer, lane],
        "backlog": outward.last_seq - outward.acked_seq,
    }
