"""Links, what waits and what is parked, with reasons; enrolling a child and handing out its join file."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import Response

from node import brokers, enrolment
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.cases.tables import CaseRow
from node.center import Center
from node.divisions import children_of
from node.errors_http import language_of
from node.federation import inbox
from node.federation.parking import BEHIND, UNEXPECTED, UNKNOWN_TYPE
from node.federation.tables import LinkRow, ParkedRow
from node.i18n import N_, translate, translate_plural
from node.links_api import note_retry
from node.problems import Problem
from node.settings import Settings, load_settings
from node.trouble import Trouble
from node.web.center import center_of
from node.web.forms import Field, Sent, missing, read
from node.web.rendering import render, see_other
from node.web.session import reader

router = APIRouter()

PARKED_SHOWN: Final = 50

_ENROL: Final = (
    Field(name="code", label=N_("Division code"), required=True, limit=12),
    Field(name="name", label=N_("Name"), limit=60),
)


@dataclass(frozen=True, slots=True)
class ParkedLine:
    """A parked message as a person reads it."""

    peer: str
    type: str
    case_id: str | None
    display_number: str | None
    why: str
    reason: str
    parked_at: datetime


def _why(reason: str) -> str:
    """What a reason means for whoever reads it, a catalog message; the reason itself is for who looks deeper."""
    for begin, words in _WHY.items():
        if reason.startswith(begin):
            return words
    return N_("It does not fit what this center knows. Try again once the cause is gone.")


_WHY: Final = {
    BEHIND: N_("It waits behind another parked message of the same case."),
    UNKNOWN_TYPE: N_("The other center runs a newer version. Update this one, then try again."),
    UNEXPECTED: N_("An error of this program. Nothing is lost; try again after an update, and report it."),
}


@router.get("/links")
def links(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_links))], done: str = "", n: int = 0
) -> Response:
    """All links, parked messages, and the way to enrol a child."""
    return _page(request, caller, done=_done(request, done, n))


def _done(request: Request, done: str, n: int) -> str:
    language = language_of(request)
    match done:
        case "retry":
            return translate_plural(language, "{n} message could be applied", "{n} messages could be applied", n)
        case "revoked":
            return translate(language, N_("The center was cut off; what waited for it came back."))
        case _:
            return ""


@router.post("/links/retry")
def retry(request: Request, caller: Annotated[Caller, Depends(reader(Action.manage_links))]) -> Response:
    """Try all parked messages again."""
    center = center_of(request)
    note_retry(center, request, caller)
    applied, _stay = inbox.retry_parked(center)
    return see_other(f"/links?done=retry&n={applied}")


@router.post("/links/enrol")
def enrol(request: Request, caller: Annotated[Caller, Depends(reader(Action.enrol))], sent: Sent) -> Response:
    """Enrol a child and hand out its join file, once; it is kept nowhere."""
    center, language = center_of(request), language_of(request)
    document = read(_ENROL, sent)
    errors = missing(_ENROL, document, language)
    if not errors:
        try:
            settings = _settings(center)
            name = str(document["name"]) if "name" in document else None
            level = sent.one("level") or None
            by = actor_of(request, caller)
            made = enrolment.enroll(center, settings, str(document["code"]), name=name, level=level, by=by)
            brokers.install(center.database, settings)
        except Trouble as trouble:
            errors["code"] = trouble.text(language)
        else:
            headers = {"content-disposition": f'attachment; filename="join-{made.code}.json"'}
            return Response(made.document(), media_type="application/json", headers=headers)
    return _page(request, caller, values=sent.values(_ENROL), errors=errors, status=422)


@router.post("/links/{code}/revoke")
def revoke(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.enrol))], code: str, sent: Sent
) -> Response:
    """Cut a child off. What waited for it comes back."""
    center = center_of(request)
    if sent.one("sure") != code:
        raise Problem(422, N_("invalid"), N_("Type the center's code to confirm."))
    try:
        settings = _settings(center)
        enrolment.revoke(center, code, by=actor_of(request, caller))
        brokers.install(center.database, settings)
    except Trouble as trouble:
        raise Problem(409, N_("refused"), trouble.text(language_of(request))) from trouble
    return see_other("/links?done=revoked")


def _settings(center: Center) -> Settings:
    assert center.data_dir is not None
    return load_settings(center.data_dir)


def _page(
    request: Request,
    caller: Caller,
    *,
    done: str = "",
    values: object = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    center = center_of(request)
    with center.database.read() as session:
        rows = session.execute(
            select(ParkedRow, CaseRow.display_number)
            .outerjoin(CaseRow, CaseRow.id == ParkedRow.case_id)
            .order_by(ParkedRow.parked_at, ParkedRow.seq)
            .limit(PARKED_SHOWN)
        )
        parked = [
            ParkedLine(row.peer, row.type or "", row.case_id, number, _why(row.reason), row.reason, row.parked_at)
            for row, number in rows
        ]
        taken = set(session.scalars(select(LinkRow.peer).where(LinkRow.revoked_at.is_(None))))
    candidates = [one for one in children_of(center.code) if one.code not in taken]
    return render(
        request,
        "links.html",
        caller=caller,
        status=status,
        parked=parked,
        done=done,
        values=values or {},
        errors=errors or {},
        candidates=candidates,
    )
