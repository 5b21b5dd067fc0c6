"""All pages of a center, and those that belong to nothing else: sign in and out, language, problems for people."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from node.accounts import service as accounts
from node.accounts.roles import Action
from node.accounts.service import Caller, Owed
from node.accounts.tables import TokenKind
from node.audit.requests import actor_of, address_of
from node.audit.trail import Event, record
from node.db import DatabaseUnavailable
from node.errors_http import LANGUAGE_COOKIE, language_of
from node.i18n import LANGUAGES, N_, Language, translate
from node.problems import Problem
from node.web import (
    account_page,
    act_pages,
    attachments_page,
    audit_page,
    backups_page,
    board_page,
    calls_page,
    case_list,
    case_page,
    dossier_page,
    events,
    grid_page,
    import_page,
    inbox_page,
    links_page,
    policy_page,
    register_page,
    reports_page,
    second_factor_page,
    session,
    stations_page,
    subsidies_page,
    today,
    users_page,
)
from node.web.center import center_of
from node.web.refusals import refusal_text
from node.web.rendering import first_page, here, local_path, render, see_other, to_login
from node.web.second_factor_page import code_page
from node.web.security import refuse_cross_site
from node.web.session import reader
from node.web.unsent import Unsent, signed_in_page, unsent_from, unsent_of

LANGUAGE_COOKIE_SECONDS: Final = 365 * 24 * 3600


FIRST: Final = {Owed.PASSWORD.value: "/account/password", Owed.SECOND_FACTOR.value: "/account/second-factor"}
"""Where somebody is led who must do something first."""

_router = APIRouter()

_PARTS: Final = (
    _router,
    today.router,
    inbox_page.router,
    board_page.router,
    events.router,
    case_list.router,
    import_page.router,
    register_page.router,
    case_page.router,
    dossier_page.router,
    attachments_page.router,
    act_pages.router,
    links_page.router,
    users_page.router,
    account_page.router,
    second_factor_page.router,
    audit_page.router,
    backups_page.router,
    policy_page.router,
    stations_page.router,
    calls_page.router,
    subsidies_page.router,
    grid_page.router,
    reports_page.router,
)
"""The routes of all pages; a fixed address stands before one with a place in it."""


def include_pages(router: APIRouter) -> None:
    """Add all pages; unsafe methods are refused from other sites."""
    for part in _PARTS:
        router.include_router(
            part,
            include_in_schema=False,
            default_response_class=HTMLResponse,
            dependencies=[Depends(refuse_cross_site)],
        )


@_router.get("/")
def home(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_center))]) -> Response:
    """Where this person's work begins."""
    return see_other(first_page(center_of(request), caller))


@_router.get("/login")
def login_form(request: Request, next: str = "/", done: str = "") -> Response:  # noqa: A002 - the name in the address
    """The sign-in form; whoever is signed in goes on."""
    if session.caller_of(request) is not None:
        return see_other(local_path(next))
    return login_page(request, local_path(next), None, done=done == "password")


@_router.post("/login")
def login(
    request: Request,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the name of the field
    unsent: Annotated[str, Form()] = "",
) -> Response:
    """Sign in, or show the form again with the reason."""
    center, kept = center_of(request), unsent_from(unsent)
    language = language_of(request)
    errors: dict[str, str] = {}
    status = 422
    if not username.strip():
        errors["username"] = translate(language, N_("Enter your user name."))
    if not password:
        errors["password"] = translate(language, N_("Enter your password."))
    if not errors:
        try:
            issued = accounts.login(
                center.database,
                center.clock,
                center.hasher,
                center.throttle,
                username=username,
                password=password,
                kind=TokenKind.session,
                address=address_of(request),
                rules=center.account_rules,
            )
        except Problem as problem:
            if problem.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}:
                raise
            status = 429 if problem.status == HTTPStatus.TOO_MANY_REQUESTS else 422
            errors["username"] = str(problem.document(language)["detail"])
        else:
            _end_former(request)
            if issued.kind is not TokenKind.pending:
                response = signed_in_page(request, issued, kept, local_path(next))
            elif kept is not None:
                response = code_page(request, local_path(next), kept)
            else:  # a page of its own, so that a reload sends no password again
                response = see_other(f"/login/code?next={quote(local_path(next))}")
            session.keep(response, request, issued)
            return response
    return login_page(request, local_path(next), kept, status=status, values={"username": username}, errors=errors)


def _end_former(request: Request) -> None:
    """Whoever signs in where somebody was signed in ends that session: the cookie holds one."""
    former = session.token_of(request)
    if former is not None:
        with center_of(request).database.write() as unit:
            accounts.logout(unit, former)


@_router.post("/logout")
def logout(request: Request) -> Response:
    """End the session here and in the database."""
    token, caller, center = session.token_of(request), session.caller_of(request), center_of(request)
    if token is not None and caller is not None:
        with center.database.write() as unit:
            accounts.logout(unit, token)
            record(unit, center.clock.now(), actor_of(request, caller), Event.LOGGED_OUT)
    response = see_other("/login")
    session.forget(response, request)
    response.headers["Clear-Site-Data"] = '"storage"'  # drafts of forms
    return response


@_router.get("/language/{language}")
def choose_language(request: Request, language: Language, next: str = "/") -> Response:  # noqa: A002
    """Keep the chosen language and go back to the page."""
    assert language in LANGUAGES
    response = see_other(local_path(next))
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=LANGUAGE_COOKIE_SECONDS,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def login_page(
    request: Request,
    next_path: str,
    unsent: Unsent | None,
    *,
    status: int = 200,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    done: bool = False,
) -> Response:
    """The sign-in form, with what somebody sent too late."""
    return render(
        request,
        "login.html",
        status=status,
        next=next_path,
        unsent=unsent,
        values=values or {},
        errors=errors or {},
        done=done,
    )


def problem_page(request: Request, problem: Problem, language: Language) -> Response | None:
    """A problem for people: the way to sign in for 401, else a page; None where no page was asked for."""
    if "text/html" not in request.headers.get("accept", ""):
        return None
    if problem.status == HTTPStatus.UNAUTHORIZED:
        unsent = unsent_of(request)
        if unsent is not None:
            return login_page(request, here(request), unsent, status=problem.status)
        return to_login(request)
    if problem.type in FIRST:
        return see_other(FIRST[problem.type])
    return render(
        request,
        "problem.html",
        caller=_reader(request),
        status=problem.status,
        problem={
            **problem.document(language),
            "detail": refusal_text(problem, center_of(request), language),
        },
        back=here(request) if request.method == "POST" else None,
    )


def _reader(request: Request) -> Caller | None:
    """Who reads the problem; nobody in particular where the database is the problem."""
    try:
        return session.caller_of(request)
    except DatabaseUnavailable:
        return None
