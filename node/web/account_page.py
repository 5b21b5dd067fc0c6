"""A person's own account: where they are signed in, tokens of their programs, their password; what this software is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from node.accounts import service, sessions
from node.accounts.roles import Action, Role
from node.accounts.rules import PASSWORD_DAYS, PASSWORD_MIN
from node.accounts.service import Caller, Owed
from node.audit.requests import actor_of, address_of
from node.audit.trail import Event, record
from node.errors_http import language_of
from node.i18n import N_, translate
from node.problems import Problem
from node.web import session as web_session
from node.web.center import center_of
from node.web.forms import Field, Sent, Values
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import word

router = APIRouter()

Keeping = Annotated[Caller, Depends(reader(Action.own_sessions))]
Changing = Annotated[Caller, Depends(reader(Action.own_password))]

TOKEN_FIELDS = (
    Field(name="name", label=N_("What for"), required=True, limit=sessions.PROGRAM_NAME_MAX),
    Field(name="days", label=N_("Days"), kind="number", required=True),
    Field(name="roles", label=N_("Roles"), kind="choices", required=True, words="role"),
)


@router.get("/account")
def account(request: Request, caller: Keeping, done: str = "") -> Response:
    """Sign-ins of this person, and a new password."""
    return _page(request, caller, done=done == "ended")


@router.post("/account/sessions/end")
def end(request: Request, caller: Keeping, sent: Sent) -> Response:
    """End one of them."""
    center = center_of(request)
    with center.database.write() as session:
        sessions.end_session(session, caller.user_id, sent.one("key"))
        record(session, center.clock.now(), actor_of(request, caller), Event.SESSION_ENDED, subject=caller.username)
    return see_other("/account?done=ended")


@router.post("/account/tokens")
def make_token(request: Request, caller: Keeping, sent: Sent) -> Response:
    """A token for a program; it is shown once, on the page that answers."""
    center, language = center_of(request), language_of(request)
    days = sent.one("days").strip()
    roles = [Role(name) for name in sent.all("roles") if name in set(Role)]
    try:
        with center.database.write() as session:
            issued = sessions.make_token(
                session,
                center.clock,
                caller,
                name=sent.one("name"),
                roles=roles,
                days=int(days) if days.isascii() and days.isdecimal() and len(days) <= len("366") else 0,
            )
            actor, kept = actor_of(request, caller), ", ".join(sorted(roles))
            record(session, center.clock.now(), actor, Event.TOKEN_MADE, subject=sent.one("name"), roles=kept)
    except Problem as problem:
        if problem.status != 422:  # noqa: PLR2004 - what the form can show
            raise
        errors = {"name": refusal_text(problem, center, language)}
        return _page(request, caller, errors=errors, values=sent.values(TOKEN_FIELDS), status=422)
    return _page(request, caller, token=issued.token)


@router.get("/account/password")
def password_page(request: Request, caller: Changing) -> Response:
    """A new password, for whoever must choose one before anything else."""
    return _password_page(request, caller, {})


@router.post("/account/password")
def password(request: Request, caller: Changing, sent: Sent) -> Response:
    """A new password, for whoever knows the present one; all sign-ins end, this one too."""
    center, language = center_of(request), language_of(request)
    errors: dict[str, str] = {}
    if sent.one("new") != sent.one("repeated"):
        errors["repeated"] = translate(language, N_("The two new passwords differ."))
    else:
        try:
            service.change_own_password(
                center.database,
                center.clock,
                center.hasher,
                caller,
                present=sent.one("present"),
                new=sent.one("new"),
                rules=center.account_rules,
                address=address_of(request),
            )
        except Problem as problem:
            if problem.status != 422:  # noqa: PLR2004 - what the form can show
                raise
            field = "present" if problem.type == "bad-credentials" else "new"
            errors[field] = refusal_text(problem, center, language)
    if errors and sent.has("forced"):
        return _password_page(request, caller, errors)
    if errors:
        return _page(request, caller, errors=errors, status=422)
    response = see_other("/login?done=password")
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


def _password_page(request: Request, caller: Caller, errors: dict[str, str]) -> Response:
    rules = center_of(request).account_rules
    return render(
        request,
        "password.html",
        caller=caller,
        status=422 if errors else 200,
        errors=errors,
        forced=caller.owes is Owed.PASSWORD,
        mixed=rules.mixed,
        shortest=PASSWORD_MIN,
        days=PASSWORD_DAYS,
    )


def _page(
    request: Request,
    caller: Caller,
    *,
    done: bool = False,
    token: str = "",
    errors: dict[str, str] | None = None,
    values: Values | None = None,
    status: int = 200,
) -> Response:
    center, language = center_of(request), language_of(request)
    with center.database.read() as session:
        found = sessions.open_sessions(session, center.clock, caller, uses=center.uses, idle=center.account_rules.idle)
    return render(
        request,
        "account.html",
        caller=caller,
        status=status,
        sessions=found,
        done=done,
        token=token,
        errors=errors or {},
        values=values or {"days": "90"},
        choices={"roles": [(role.value, word(language, "role", role)) for role in Role if role in caller.roles]},
        fields=TOKEN_FIELDS,
    )
