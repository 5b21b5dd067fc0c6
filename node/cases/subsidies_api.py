"""Subsidies (以案定补) over HTTP: the claims of a month, of this center and all below it, without party data."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import visible
from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.api import Here
from node.cases.tables import CaseRow
from node.clock import LOCAL_ZONE
from protocol.case import Subsidy, SubsidyState
from protocol.codes import Category, CenterCode, Grade

router = APIRouter(tags=["subsidies"])

MONTH = r"^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])$"
CLAIMS_MAX = 5000
"""Claims of one month in one list; a county of a million has a few hundred."""


class ClaimOut(BaseModel):
    """A claim with the case's number; no party, no text."""

    case_id: str
    number: str
    display_number: str
    category: Category
    grade: Grade
    holder: CenterCode | None
    subsidy: Subsidy


class ClaimsOut(BaseModel):
    """The claims of a month; ``yuan`` is the sum of those approved."""

    month: str
    items: list[ClaimOut]
    yuan: int


@router.get("/subsidies")
def subsidies(
    here: Here,
    _caller: Annotated[Caller, Depends(require(Action.read_cases))],
    month: Annotated[str | None, Query(pattern=MONTH)] = None,
    state: SubsidyState | None = None,
) -> ClaimsOut:
    """The claims that were made in a local month, this one by default, the earliest first."""
    with here.database.read() as session:
        return claims_of(session, here.clock.now(), month, state)


def claims_of(session: Session, now: datetime, month: str | None, state: SubsidyState | None) -> ClaimsOut:
    """The claims of a local month (``2026-03``; this one by default), all or those that stand so."""
    first, last = _month(month, now)
    rows = select(CaseRow).where(visible(now), CaseRow.subsidy_at >= first, CaseRow.subsidy_at < last)
    claims = [_claim(row) for row in session.scalars(rows.order_by(CaseRow.subsidy_at, CaseRow.id).limit(CLAIMS_MAX))]
    items = [one for one in claims if state is None or one.subsidy.state is state]
    paid = sum(one.subsidy.yuan for one in claims if one.subsidy.state is SubsidyState.APPROVED)
    return ClaimsOut(month=f"{first.astimezone(LOCAL_ZONE):%Y-%m}", items=items, yuan=paid)


def _month(named: str | None, now: datetime) -> tuple[datetime, datetime]:
    """When a local month begins and ends."""
    today = date.fromisoformat(f"{named}-01") if named is not None else now.astimezone(LOCAL_ZONE).date().replace(day=1)
    following = today.replace(year=today.year + today.month // 12, month=today.month % 12 + 1)
    begin, end = (datetime.combine(day, time(), LOCAL_ZONE).astimezone(UTC) for day in (today, following))
    return begin, end


def _claim(row: CaseRow) -> ClaimOut:
    assert row.subsidy is not None
    return ClaimOut(
        case_id=row.id,
        number=row.number,
        display_number=row.display_number,
        category=Category(row.category),
        grade=Grade(row.grade),
        holder=row.holder,
        subsidy=Subsidy.model_validate_json(row.subsidy),
    )
