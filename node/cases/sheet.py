"""A case in the hands of a unit of work, and the row that it is stored as."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from node.cases.searched import Findable, findable
from protocol.case import CaseState
from protocol.deadlines import last_rung
from protocol.entries import PARTNERS_MAX, Entry
from protocol.payloads import CaseHeader, Invitation


@dataclass(slots=True)
class Sheet:
    """One case in the book.

    Attributes:
        stored: its row as the database has it; None where it has none.
        found_by: by what a search finds it, as the database has it.
        held_back: whether entries wait for one that precedes them.
        counted: the state that our counters know.
    """

    stored: Mapping[str, object] | None = None
    found_by: Findable | None = None
    state: CaseState | None = None
    header: CaseHeader | None = None
    invitation: Invitation | None = None
    view_until: datetime | None = None
    header_told: str | None = None
    held_back: bool = False
    counted: CaseState | None = None
    dirty: bool = False
    new_entries: list[Entry] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether we know anything of the case."""
        return self.state is not None or self.header is not None or self.invitation is not None


def read_sheet(row: Mapping[str, Any]) -> Sheet:
    """A case as the database has it."""
    state = CaseState.model_validate_json(row["state"]) if row["state"] is not None else None
    header, invitation = row["header"], row["invitation"]
    return Sheet(
        stored=row,
        found_by=findable(row, state),
        state=state,
        counted=state,
        header=CaseHeader.model_validate_json(header) if header is not None else None,
        invitation=Invitation.model_validate_json(invitation) if invitation is not None else None,
        view_until=row["view_until"],
        header_told=row["header_told"],
    )


_CODE = re.compile(r'"([0-9]{12})"')


def columns_of(sheet: Sheet) -> dict[str, object]:
    """A sheet as a row; what lists show is repeated in plain columns."""
    state, invitation, newest = sheet.state, sheet.invitation, _newest(sheet)
    named = state if state is not None else invitation
    text = state.model_dump_json(exclude_none=True) if state is not None else None
    return {
        "state": text,
        "centers": " ".join(sorted(set(_CODE.findall(text)))) if text is not None else "",
        "header": sheet.header.model_dump_json() if sheet.header is not None else None,
        "invitation": invitation.model_dump_json() if invitation is not None else None,
        "view_until": sheet.view_until,
        "header_told": sheet.header_told,
        "title": _column(named.title) if named is not None else None,
        "place": _column(named.place) if named is not None else None,
        "number": newest.number,
        "display_number": newest.display_number,
        "category": newest.category.value,
        "grade": newest.grade.value,
        "status": newest.status.value,
        "origin": newest.origin,
        "holder": newest.holder,
        "in_transit_to": newest.in_transit_to,
        "epoch": newest.epoch,
        "seq": newest.seq,
        "deadline": newest.deadline,
        "registered_at": newest.registered_at,
        "joint": newest.joint,
        "supervised": newest.supervised,
        "returns": newest.returns,
        "subsidy": newest.subsidy.model_dump_json() if newest.subsidy is not None else None,
        "subsidy_at": newest.subsidy.at if newest.subsidy is not None else None,
        "ended": newest.status in {"closed", "withdrawn", "referred", "merged"},
        **_agenda(sheet),
    }


def _agenda(sheet: Sheet) -> dict[str, object]:
    """What the case asks of its holder, as plain columns; where only a header is known, since when."""
    state = sheet.state
    if state is None:
        nothing = dict.fromkeys(("came_by", "came_from", "answer_by", "handler", "last_rung", "visit_on"))
        return {**nothing, "accepted": False, "open_orders": 0, "since": _newest(sheet).registered_at}
    custody = state.custody
    waiting = [urge for urge in state.urges.values() if not urge.answered]
    return {
        "accepted": custody.accepted_by is not None,
        "came_by": custody.came_by.value if custody.came_by is not None else None,
        "came_from": custody.last_sender,
        "since": custody.since or state.registered_at,
        "open_orders": len(waiting),
        "answer_by": min((urge.reply_by for urge in waiting if urge.reply_by is not None), default=None),
        "handler": _column(state.handler) if state.handler is not None else None,
        "last_rung": last_rung(state),
        "visit_on": next(iter(state.visit_plan.open), None),
    }


def _column(text: str) -> str:
    """A text as PostgreSQL's plain columns take it; the log keeps it as typed."""
    return text.replace("\0", "")


def newest_header(sheet: Sheet) -> CaseHeader:
    """The newest header that we know of this case: from its log, an invitation, or a header told to us."""
    newest = _newest(sheet)
    return header_of(newest) if isinstance(newest, CaseState) else newest


def _newest(sheet: Sheet) -> CaseHeader | CaseState:
    """What says most lately how the case stands; both kinds name it alike."""
    told = (sheet.header, sheet.invitation.header if sheet.invitation is not None else None, sheet.state)
    known = [each for each in told if each is not None]
    assert known
    return max(known, key=lambda each: (each.epoch, each.seq))


def header_of(state: CaseState, *, withdrawn: bool = False) -> CaseHeader:
    """The header of a case: no party, no free text."""
    return CaseHeader(
        case_id=state.id,
        number=state.number,
        display_number=state.display_number,
        category=state.category,
        grade=state.grade,
        status=state.status,
        origin=state.origin,
        holder=state.holder,
        in_transit_to=state.in_transit_to,
        epoch=state.epoch,
        seq=state.seq,
        deadline=state.deadline,
        joint=state.joint,
        partners=tuple(state.accepted_partners[:PARTNERS_MAX]),
        supervised=state.supervised,
        returns=state.returns,
        subsidy=state.subsidy,
        registered_at=state.registered_at,
        withdrawn=withdrawn,
    )
