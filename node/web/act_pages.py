"""One page for each thing that can be done with a case.

An act's page shows its form with GET and does it with POST; what was accepted leads back to the case, what
was refused shows the form again with everything typed and the reason, and the case as it is now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.authorise import Guard
from node.accounts.roles import TABLE, Action, Relation
from node.accounts.service import Caller
from node.cases import inputs, routes
from node.cases.acts import FieldError, perform
from node.cases.refusals import problem_of
from node.center import Center
from node.clock import LOCAL_ZONE
from node.errors_http import language_of
from node.federation.tables import LinkRow
from node.i18n import N_, Language, joined, translate
from node.idempotency import Attempt
from node.invalid import Invalid
from node.problems import Problem
from node.unit import Unit, unit_of
from node.web import party_rows
from node.web.case_action import CaseAction
from node.web.case_actions import BY_ACT
from node.web.case_choices import choices_of, first_values, limits_of
from node.web.case_log import log_lines
from node.web.case_view import CaseView, read_case, relations_of
from node.web.center import center_of
from node.web.forms import Document, Finder, FormData, Sent, Values, errors_of, form_key, missing, read
from node.web.gate import gate_view
from node.web.loads import named_before, read_loads
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import signed_in
from node.words import place_name, words
from protocol.advice import advise
from protocol.errors import Refused
from protocol.link import State

router = APIRouter()

STUDIED: Final = frozenset({Action.grade, Action.assign})
"""Acts before which the policy's advice and the routing rules that fit are shown."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to do with a case."""

    case_id: str
    action: CaseAction
    given: inputs.Input


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is shown: what stands in it, what is wrong with it, and what somebody else did meanwhile."""

    values: Values
    errors: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    changed: str = ""


class Missing(Exception):
    """Required fields are empty."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


class ActReader(Guard):
    """Lets in whoever reads cases and may do the act that the path names.

    A department on call may report, too, but on its own calls only and without seeing the case; it has a page of its
    own for that.
    """

    def __init__(self) -> None:
        super().__init__({act: frozenset({Action.read_cases, action.action}) for act, action in BY_ACT.items()})

    def __call__(self, request: Request, act: str) -> Caller:
        """Who wants to do it.

        Raises:
            Problem: 404 for an act that isn't there; 401 and 403 as everywhere.
        """
        action = _action(act).action
        signed_in(request, Action.read_cases)
        return signed_in(request, action)


Doing = Annotated[Caller, Depends(ActReader())]


@router.get("/cases/{case_id}/{act:path}")
def act_page(request: Request, caller: Doing, case_id: str, act: str) -> Response:
    """The form of an act."""
    action = _action(act)
    center = center_of(request)
    case = _read(center, case_id)
    _check_entitled(center, case, action)
    values = {**first_values(action, case, center.clock.now().astimezone(LOCAL_ZONE)), "form": form_key()}
    return _form(request, caller, action, case, Filled(values))


@router.post("/cases/{case_id}/{act:path}")
def act_sent(request: Request, caller: Doing, case_id: str, act: str, sent: Sent) -> Response:
    """Do the act and go back to the case, or show the form again with the reason."""
    action = _action(act)
    center, language = center_of(request), language_of(request)
    case = _read(center, case_id)
    if case.state is None:  # else the form comes back with what was typed, and the reason
        _check_entitled(center, case, action)
    errors, status = {}, 422
    try:
        given = _given(action, case, sent, language)
        with unit_of(center) as unit:
            path = _once(unit, caller, Act(case_id, action, given), sent.one("form"))
        return see_other(path)
    except FieldError as error:
        errors = {error.field: refusal_text(error, center, language)}
    except Missing as error:
        errors = error.errors
    except Invalid as error:
        errors = errors_of(error, action.fields, language, _finder(action, case, sent))
    except Problem as problem:
        if problem.status not in (409, 422):
            raise
        errors, status = {"": refusal_text(problem, center, language)}, problem.status
    values = {**sent.values(action.fields), **_typed_parties(action, case, sent), "form": sent.one("form")}
    now = _read(center, case_id)
    changed = _last_entry(center, now, language) if sent.one("epoch") not in ("", str(now.document.epoch)) else ""
    return _form(request, caller, action, now, Filled(values, errors, status, changed))


def _check_entitled(center: Center, case: CaseView, action: CaseAction) -> None:
    """No form for what this center may neither do nor ask for.

    Raises:
        Problem: 409 ``not-holder``, ``holder-cannot-ask``.
    """
    row, relations = TABLE[action.action], relations_of(center, case)
    if relations.isdisjoint(row.does | row.asks):
        document = case.document
        reason = "holder-cannot-ask" if Relation.holder in relations else "not-holder"
        raise problem_of(Refused(reason, holder=document.holder, in_transit_to=document.in_transit_to))


def _last_entry(center: Center, case: CaseView, language: Language) -> str:
    """What happened last, in one line, for somebody who was looking at an older state."""
    line = next(iter(log_lines(center, case.document, language)), None)
    if line is None:
        return ""
    who = joined(language, [place_name(center.directory.tree.name(line.center)), *filter(None, [line.actor])])
    return translate(language, N_("{what} ({who})"), what=line.kind, who=who)


def _given(action: CaseAction, case: CaseView, sent: FormData, language: Language) -> inputs.Input:
    """What was sent, as the act takes it.

    Raises:
        Missing: required fields are empty.
        Invalid: the model of the act refuses a value.
    """
    document = read(action.fields, sent)
    empty = missing(action.fields, document, language)
    if empty:
        raise Missing(empty)
    if action.action is Action.correct:
        document = _changes(case, document, sent)
        if not document["changes"]:
            raise Missing({"": translate(language, N_("Nothing was changed."))})
    if sent.one("epoch"):
        document["epoch"] = sent.one("epoch")
    try:
        return action.model.model_validate(document)
    except ValidationError as error:
        raise Invalid(error.errors()) from error


def _changes(case: CaseView, document: Document, sent: FormData) -> Document:
    """A correction says only what differs from what stands there now."""
    changes = {
        name: value for name, value in document.items() if name != "reason" and value != getattr(case.document, name)
    }
    known = case.document.parties or []
    parties = list(party_rows.corrected(sent, known).values())
    if sent.has("party-1-name") and parties != [party.model_dump(exclude_none=True) for party in known]:
        changes["parties"] = parties
    return {"changes": changes, "reason": document["reason"]}


def _typed_parties(action: CaseAction, case: CaseView, sent: FormData) -> Values:
    if action.action is not Action.correct:
        return {}
    return party_rows.typed(sent, party_rows.rows_for(case.document.parties or []), (*party_rows.CORRECTED, "was"))


def _finder(action: CaseAction, case: CaseView, sent: FormData) -> Finder:
    if action.action is not Action.correct:
        return str
    return party_rows.finder(list(party_rows.corrected(sent, case.document.parties or [])))


def _once(unit: Unit, caller: Caller, act: Act, key: str) -> str:
    """Do it once for one form, however often it was sent; says where to go then."""
    attempt = Attempt(key or None, f"{act.case_id}/{act.action.act}", act.given.model_dump_json().encode())
    path = f"/cases/{act.case_id}?done={act.action.act}"
    if attempt.begin(unit.session, unit.center.clock, caller) is None:
        perform(unit, act.case_id, act.action.act, act.given, caller.display_name)
        attempt.answer(unit.session, path.encode())
    return path


def _form(request: Request, caller: Caller, action: CaseAction, case: CaseView, filled: Filled) -> Response:
    center, language = center_of(request), language_of(request)
    context: dict[str, Any] = {}
    with center.database.read() as session:
        target = _target(center, action, case)
        link = session.get(LinkRow, target) if target is not None else None
        linked = link.state == State.LINKED if link is not None else None
        if action.action is Action.correct:
            parties = case.document.parties or []
            roles = words(language, "party_role")
            context = {"party_rows": party_rows.rows_for(parties), "parties": parties, "party_roles": roles}
            context["party_limits"] = party_rows.LIMITS
        if action.action in STUDIED and case.state is not None:
            context |= {
                "advice": advise(center.policy, case.state, center.clock.now()),
                "routes": routes.offered(session, case.state.category, case.state.place),
            }
        if action.action is Action.assign:
            context |= {
                "loads": read_loads(session, center),
                "named_before": named_before(session, center),
                "limits": limits_of(center.clock.now(), language),
            }
    return render(
        request,
        "action.html",
        caller=caller,
        status=filled.status,
        action=action,
        case=case.document,
        values=filled.values,
        errors=filled.errors,
        changed=filled.changed,
        choices=choices_of(action, center, case, language),
        gate=gate_view(action, center, case, language),
        target=target,
        target_linked=linked,
        transfers=action.action in (Action.escalate, Action.return_),
        **context,
    )


def _target(center: Center, action: CaseAction, case: CaseView) -> str | None:
    """Where the case goes by this act, where that is clear before anything is chosen."""
    if action.action is Action.escalate:
        return center.parent
    if action.action is Action.return_ and case.state is not None and case.state.custody.stack:
        return case.state.custody.stack[-1].center
    return None


def _action(act: str) -> CaseAction:
    if act not in BY_ACT:
        raise Problem(404, N_("not-found"), N_("There is nothing at this address."))
    return BY_ACT[act]


def _read(center: Center, case_id: str) -> CaseView:
    with center.database.read() as session:
        return read_case(session, case_id, center.clock.now())
