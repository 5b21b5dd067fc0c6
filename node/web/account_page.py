"""A person's own account: where they are signed in, their password; and what this software is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from node.accounts import service
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.errors_http import language_of
from node.i18n import N_, translate
from node.problems import Problem
from node.web import session as web_session
from node.web.center import center_of
from node.web.forms import Sent
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader

router = APIRouter()


@router.get("/account")
def account(request: Request, caller: Annotated[Caller, Depends(reader(Action.sign_out))], done: str = "") -> Response:
    """Sign-ins of this person, and a new password."""
    return _page(request, caller, done=done == "ended")


@router.post("/account/sessions/end")
def end(request: Request, caller: Annotated[Caller, Depends(reader(Action.sign_out))], sent: Sent) -> Response:
    """End one of them."""
    center = center_of(request)
    with center.database.write() as session:
        service.end_session(session, caller.user_id, sent.one("key"))
        record(session, center.clock.now(), actor_of(request, caller), Event.SESSION_ENDED, subject=caller.username)
    return see_other("/account?done=ended")


@router.post("/account/password")
def password(request: Request, caller: Annotated[Caller, Depends(reader(Action.sign_out))], sent: Sent) -> Response:
    """A new password, for whoever knows the present one; all sign-ins end, this one too."""
    center, language = center_of(request), language_of(request)
    errors: dict[str, str] = {}
    if sent.one("new") != sent.one("repeated"):
        errors["repeated"] = translate(language, N_("The two new passwords differ."))
    else:
        try:
            service.check_password(center.database, center.hasher, caller.username, sent.one("present"))
        except Problem as problem:
            errors["present"] = refusal_text(problem, center, language)
        else:
            try:
                with center.database.write() as session:
                    service.set_password(session, center.hasher, caller.username, sent.one("new"))
                    actor = actor_of(request, caller)
                    record(session, center.clock.now(), actor, Event.PASSWORD_CHANGED, subject=caller.username)
            except Problem as problem:
                errors["new"] = refusal_text(problem, center, language)
    if errors:
        return _page(request, caller, errors=errors, status=422)
    response = see_other("/login")
    web_session.forget(response, request)
    return response


@router.get("/about")
def about(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_center))]) -> Response:
    """Version, center, where help is."""
    center = center_of(request)
    tree = center.directory.tree
    return render(
        request,
        "about.html",
        caller=caller,
        parent=center.parent,
        children=tree.children(center.code),
        known=sum(tree.known(code) for code in tree.claims),
        incarnation=center.identity.incarnation,
        database="SQLite" if center.database.is_sqlite else "PostgreSQL",
        policy=center.policy,
    )


def _page(
    request: Request, caller: Caller, *, done: bool = False, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    center = center_of(request)
    token = web_session.token_of(request) or ""
    with center.database.read() as session:
        sessions = service.open_sessions(session, center.clock, caller.user_id, token)
    return render(
        request, "account.html", caller=caller, status=status, sessions=sessions, done=done, errors=errors or {}
    )
