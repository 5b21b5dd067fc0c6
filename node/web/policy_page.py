"""The rules in force here (规则), who set them, and the form to set stricter ones for this center and all below it."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node import policies
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.errors_http import language_of
from node.i18n import N_, translate
from node.invalid import Invalid
from node.unit import unit_of
from node.web.center import center_of
from node.web.forms import Document, Field, FormData, Sent, Values, errors_of, missing, read
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import words
from protocol.policy import Policy

router = APIRouter()

FIELDS: Final = (
    Field(
        name="mediations_before_escalation",
        label=N_("Sessions before a case may go up"),
        kind="number",
        required=True,
        hint=N_("0: a case may go up without any."),
    ),
    Field(name="failures_for_repeated", label=N_("Failures that count as repeated"), kind="number", required=True),
    Field(
        name="triggers",
        label=N_("Reasons that let a case go up without a session"),
        kind="choices",
        words="triggers",
    ),
    Field(name="view_hours", label=N_("Hours that a superior's look stays open"), kind="number", required=True),
    Field(
        name="near_days", label=N_("Days before a deadline from which it shows as near"), kind="number", required=True
    ),
    Field(
        name="visit_days",
        label=N_("Days after an agreement on which it is asked after"),
        kind="names",
        hint=N_("Several numbers with commas between, such as 7, 30."),
    ),
    Field(
        name="returns_before_ruling",
        label=N_("Returns after which a superior rules"),
        kind="number",
        required=True,
    ),
    Field(name="visit_window", label=N_("Days around a planned visit"), kind="number", required=True),
    Field(
        name="subsidy_low",
        label=N_("Subsidy of a settled case, low risk (yuan)"),
        kind="number",
        required=True,
        hint=N_("0: none."),
    ),
    Field(
        name="subsidy_medium", label=N_("Subsidy of a settled case, medium risk (yuan)"), kind="number", required=True
    ),
    Field(name="subsidy_high", label=N_("Subsidy of a settled case, high risk (yuan)"), kind="number", required=True),
    Field(
        name="days_low",
        label=N_("Working days of a term, low risk"),
        kind="number",
        required=True,
        hint=N_("0: none, unless the assignment sets one."),
    ),
    Field(name="days_medium", label=N_("Working days of a term, medium risk"), kind="number", required=True),
    Field(name="days_high", label=N_("Working days of a term, high risk"), kind="number", required=True),
    Field(name="orders_at", label=N_("Supervision orders by rule"), kind="choices", words="orders_at"),
    Field(name="reply_days", label=N_("Working days to answer such an order"), kind="number", required=True),
    Field(
        name="purge_years",
        label=N_("Years after its end from which a case's party data goes"),
        kind="number",
        required=True,
        hint=N_("0: never. A dossier in the archive is kept as long as the archive says."),
    ),
    Field(
        name="inspection_days",
        label=N_("Days in which a center states its inspection anew"),
        kind="number",
        required=True,
        hint=N_("1: every day, also when nothing was found. 0: not asked for."),
    ),
    Field(
        name="report_weeks",
        label=N_("Weeks after which a weekly report is missing"),
        kind="number",
        required=True,
        hint=N_("0: none is asked for."),
    ),
)


@router.get("/policy")
def policy(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.set_policy))], *, done: bool = False
) -> Response:
    """The rules as they are."""
    return _page(request, caller, values_of(center_of(request).policy), done=done)


@router.post("/policy")
def policy_sent(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.set_policy))], sent: Sent
) -> Response:
    """Set the rules of this center and all below it."""
    center, language = center_of(request), language_of(request)
    document = read(FIELDS, sent)
    errors = missing(FIELDS, document, language)
    if not errors:
        try:
            with unit_of(center) as unit:
                policies.set_policy(unit, _policy(document))
                record(unit.session, unit.now, actor_of(request, caller), Event.POLICY_SET)
        except Invalid as invalid:
            errors = errors_of(invalid, FIELDS, language)
        except policies.LooserThanAbove as looser:
            less = translate(language, N_("This asks for less than the superior's rules; only more is possible."))
            errors = dict.fromkeys(looser.fields, less)
        else:
            return see_other("/policy?done=true")
    return _page(request, caller, _typed(sent), errors=errors, status=422)


def _policy(document: Document) -> Policy:
    try:
        return Policy.model_validate({"triggers": [], "visit_days": [], "orders_at": [], **document})
    except ValidationError as error:
        raise Invalid(error.errors()) from error


def values_of(policy: Policy) -> Values:
    """A policy as it stands in the form."""
    return {
        "mediations_before_escalation": str(policy.mediations_before_escalation),
        "failures_for_repeated": str(policy.failures_for_repeated),
        "triggers": sorted(policy.triggers),
        "view_hours": str(policy.view_hours),
        "near_days": str(policy.near_days),
        "visit_days": ", ".join(map(str, policy.visit_days)),
        "returns_before_ruling": str(policy.returns_before_ruling),
        "visit_window": str(policy.visit_window),
        "subsidy_low": str(policy.subsidy_low),
        "subsidy_medium": str(policy.subsidy_medium),
        "subsidy_high": str(policy.subsidy_high),
        "days_low": str(policy.days_low),
        "days_medium": str(policy.days_medium),
        "days_high": str(policy.days_high),
        "orders_at": sorted(policy.orders_at),
        "reply_days": str(policy.reply_days),
        "purge_years": str(policy.purge_years),
        "inspection_days": str(policy.inspection_days),
        "report_weeks": str(policy.report_weeks),
    }


def _typed(sent: FormData) -> Values:
    return sent.values(FIELDS)


def _page(
    request: Request,
    caller: Caller,
    values: Values,
    *,
    errors: Mapping[str, str] | None = None,
    done: bool = False,
    status: int = 200,
) -> Response:
    center, language = center_of(request), language_of(request)
    tree = center.directory.tree
    with center.database.read() as session:
        known = policies.history(session)
    return render(
        request,
        "policy.html",
        caller=caller,
        status=status,
        fields=FIELDS,
        values=values,
        errors=errors or {},
        done=done,
        in_force=center.policy,
        history=known,
        below=len(tree.descendants(center.code)),
        choices={"triggers": words(language, "triggers"), "orders_at": words(language, "orders_at")},
    )
