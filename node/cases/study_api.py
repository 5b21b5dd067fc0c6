"""Study (研判) over HTTP: the policy's advice, routing rules, cases that may be the same matter."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from node.access import visible_row
from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases import duplicates, inputs, routes
from node.cases.acts import field_error
from node.cases.api import CaseId, Here, Trying
from node.cases.documents import CaseItem, case_items
from node.cases.refusals import problem_of
from node.cases.tables import CaseRow, RouteRow
from node.i18n import N_
from node.problems import Problem
from node.unit import unit_of
from protocol import entries as e
from protocol.advice import Advice, advise
from protocol.case import CaseState
from protocol.codes import Category, CenterCode
from protocol.errors import Refused
from protocol.records import Instant

router = APIRouter(tags=["study"])

Reading = Annotated[Caller, Depends(require(Action.read_cases))]
Title = Annotated[str, Query(max_length=e.TITLE_MAX)]
Place = Annotated[str, Query(min_length=1, max_length=e.PLACE_MAX)]


class RouteInput(BaseModel):
    """A routing rule."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    category: Category
    place: e.Place
    to: CenterCode
    department: e.Name | None = None
    reason: e.Reason


class RouteOut(BaseModel):
    """A routing rule; ``ruled`` where a ruling made it."""

    id: str
    category: Category
    place: str
    to: CenterCode
    department: str | None
    reason: str
    actor: str
    at: Instant
    ruled: bool


class AdviceOut(BaseModel):
    """The policy's advice, and the routing rules that fit."""

    advice: Advice
    routes: list[RouteOut]


class RoutesOut(BaseModel):
    """Routing rules."""

    items: list[RouteOut]


class SimilarOut(BaseModel):
    """Cases that may be the same matter."""

    items: list[CaseItem]


@router.get("/cases/{case_id}/advice")
def advice(case_id: CaseId, here: Here, _caller: Annotated[Caller, Depends(require(Action.study))]) -> AdviceOut:
    """What the policy makes of a case that this center holds, and where such matters belong."""
    now = here.clock.now()
    with here.database.read() as session:
        row, _access = visible_row(session, case_id, now)
        if row.holder != here.code or row.state is None:
            raise problem_of(Refused("not-holder", holder=row.holder, in_transit_to=row.in_transit_to))
        state = CaseState.model_validate_json(row.state)
        found = routes.offered(session, state.category, state.place)
        return AdviceOut(advice=advise(here.policy, state, now), routes=[_out(one) for one in found])


@router.get("/duplicates")
def similar(here: Here, _caller: Reading, category: Category, place: Place, title: Title = "") -> SimilarOut:
    """Our own open cases that may be the same matter as one that is about to be registered."""
    now = here.clock.now()
    with here.database.read() as session:
        ids = duplicates.similar(session, here.code, category=category, place=place, title=title, now=now)
        found = {row.id: row for row in session.scalars(select(CaseRow).where(CaseRow.id.in_(ids)))}
        return SimilarOut(items=case_items(session, [found[case_id] for case_id in ids], now))


@router.get("/routes")
def routing(
    here: Here, _caller: Reading, category: Category | None = None, place: Annotated[str, Query(max_length=200)] = ""
) -> RoutesOut:
    """All routing rules; with ``category`` and ``place`` those that fit."""
    with here.database.read() as session:
        found = routes.in_force(session) if category is None else routes.offered(session, category, place)
        return RoutesOut(items=[_out(one) for one in found])


@router.post("/routes", status_code=201, response_model=RouteOut)
def route(
    given: RouteInput, here: Here, trying: Trying, caller: Annotated[Caller, Depends(require(Action.set_route))]
) -> Response:
    """Set a routing rule."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        if not unit.tree.known(given.to):
            raise field_error("to", N_("There is no center {to} in this federation."), to=given.to)
        row = routes.add(unit, RouteRow(**given.model_dump(), actor=caller.display_name))
        return trying.answer(unit.session, _out(row), 201)


@router.post("/routes/{route_id}/withdraw", status_code=200, response_model=RoutesOut)
def withdraw(
    route_id: Annotated[str, Path(min_length=1, max_length=64)],
    _given: inputs.NothingInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.set_route))],
) -> Response:
    """Take a routing rule back; the rules that stay."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        row = unit.session.get(RouteRow, route_id)
        if row is None:
            raise Problem(404, "not-found", N_("There is no such routing rule."))
        unit.session.delete(row)
        unit.session.flush()
        left = RoutesOut(items=[_out(one) for one in routes.in_force(unit.session)])
        return trying.answer(unit.session, left, 200)


def _out(row: RouteRow) -> RouteOut:
    return RouteOut(
        id=row.id,
        category=Category(row.category),
        place=row.place,
        to=row.to,
        department=row.department,
        reason=row.reason,
        actor=row.actor,
        at=row.at,
        ruled=row.request_id is not None,
    )
