"""The second factor: set up with a telephone, ended, and asked for at the sign-in."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.responses import Response

from node.accounts import second_factor, service
from node.accounts.roles import Action
from node.accounts.service import Caller, Owed
from node.accounts.tables import User
from node.audit.requests import actor_of, address_of
from node.audit.trail import Event, record
from node.errors_http import language_of
from node.i18n import N_
from node.problems import Problem
from node.web import session as web_session
from node.web.center import center_of
from node.web.forms import Sent
from node.web.refusals import refusal_text
from node.web.rendering import local_path, render, see_other
from node.web.session import reader
from node.web.unsent import FIELD, Unsent, signed_in_page, unsent_from

router = APIRouter()

Factoring = Annotated[Caller, Depends(reader(Action.own_second_factor))]

SHOWN = (401, 422, 429)
"""Refusals that the form shows."""


@router.get("/account/second-factor")
def second_factor_page(request: Request, caller: Factoring) -> Response:
    """A picture to photograph; or how it is ended."""
    return _page(request, caller, second_factor.new_secret(), {})


@router.post("/account/second-factor")
def begin(request: Request, caller: Factoring, sent: Sent) -> Response:
    """Begin with it; the recovery codes are shown once."""
    center, language = center_of(request), language_of(request)
    secret = sent.one("secret") if second_factor.is_secret(sent.one("secret")) else second_factor.new_secret()
    try:
        service.check_password(center.database, center.hasher, caller.username, sent.one("password"))
        with center.database.write() as session:
            codes = second_factor.begin(session, center.clock, caller.user_id, secret, sent.one("code"))
            now = center.clock.now()
            record(session, now, actor_of(request, caller), Event.SECOND_FACTOR_SET, subject=caller.username)
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        return _page(request, caller, secret, _errors(problem, refusal_text(problem, center, language)))
    return render(request, "recovery_codes.html", caller=caller, codes=codes)


@router.post("/account/second-factor/end")
def end(request: Request, caller: Factoring, sent: Sent) -> Response:
    """End it, by the password and a code."""
    center, language = center_of(request), language_of(request)
    try:
        service.check_password(center.database, center.hasher, caller.username, sent.one("password"))
        with center.database.write() as session:
            if not second_factor.use_code(session, center.clock, caller.user_id, sent.one("code")):
                raise Problem(422, "bad-code", N_("This code is wrong, or was used already."))
            second_factor.end(session, caller.user_id)
            actor = actor_of(request, caller)
            record(session, center.clock.now(), actor, Event.SECOND_FACTOR_ENDED, subject=caller.username)
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        errors = _errors(problem, refusal_text(problem, center, language))
        return _page(request, caller, second_factor.new_secret(), errors)
    return see_other("/account/second-factor")


@router.get("/login/code")
def code_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Asks for the code, after the password was right."""
    return code_page(request, local_path(next), None)


def code_page(
    request: Request,
    next_path: str,
    unsent: Unsent | None,
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """The form that asks for the code, with what somebody sent too late."""
    return render(request, "login_code.html", status=status, next=next_path, unsent=unsent, errors=errors or {})


@router.post("/login/code")
def code(request: Request, sent: Sent) -> Response:
    """The code was right: signed in."""
    center, language = center_of(request), language_of(request)
    next_path, unsent = local_path(sent.one("next")), unsent_from(sent.one(FIELD))
    try:
        issued = service.confirm(
            center.database,
            center.clock,
            center.throttle,
            token=web_session.token_of(request) or "",
            code=sent.one("code"),
            address=address_of(request),
            rules=center.account_rules,
        )
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        if problem.type == "unauthenticated":
            return see_other("/login")
        errors = {"code": refusal_text(problem, center, language)}
        status = 429 if problem.type == "too-many-tries" else 422
        return code_page(request, next_path, unsent, status=status, errors=errors)
    response = signed_in_page(request, issued, unsent, next_path)
    web_session.keep(response, request, issued)
    return response


def _errors(problem: Problem, words: str) -> dict[str, str]:
    return {"password" if problem.type == "bad-credentials" else "code": words}


def _page(request: Request, caller: Caller, secret: str, errors: dict[str, str]) -> Response:
    center = center_of(request)
    with center.database.read() as session:
        there = session.get_one(User, caller.user_id).totp_secret is not None
        left = second_factor.codes_left(session, caller.user_id)
    picture = second_factor.picture_of(second_factor.uri_of(secret, caller.username))
    return render(
        request,
        "second_factor.html",
        caller=caller,
        status=422 if errors else 200,
        there=there,
        left=left,
        secret=secret,
        # Drawn by us from base32 letters and a quoted name; it holds paths and numbers only.
        picture=Markup(picture),  # noqa: S704
        errors=errors,
        forced=caller.owes is Owed.SECOND_FACTOR,
    )
