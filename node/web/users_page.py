"""People and their roles, for the administrator: new accounts, roles, passwords, locking and unlocking."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from node.accounts import second_factor, service
from node.accounts.roles import Action, Role
from node.accounts.rules import PASSWORD_MAX
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.errors_http import language_of
from node.i18n import N_
from node.problems import Problem
from node.web.center import center_of
from node.web.forms import Field, FormData, Sent, Values, missing, read
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import words

router = APIRouter()

FIELDS = (
    Field(name="username", label=N_("User name"), required=True, limit=service.USERNAME_MAX),
    Field(name="display_name", label=N_("Name in the log"), required=True, limit=service.DISPLAY_NAME_MAX),
    Field(name="password", label=N_("First password"), required=True, limit=PASSWORD_MAX),
    Field(name="roles", label=N_("Roles"), kind="choices", required=True, words="role"),
)

DONE = {
    "created": N_("The account was created."),
    "roles": N_("The roles were changed."),
    "password": N_("The password was changed; all sign-ins of this person ended."),
    "second-factor": N_("The second factor was ended; the password alone signs in."),
    "disabled": N_("The account was locked."),
    "enabled": N_("The account was unlocked."),
}


EVENTS = {
    "roles": Event.ROLES_CHANGED,
    "password": Event.PASSWORD_CHANGED,
    "second-factor": Event.SECOND_FACTOR_ENDED,
    "disable": Event.USER_DISABLED,
    "enable": Event.USER_ENABLED,
}
"""What stands in the audit log for each change."""


@router.get("/users")
def users(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.manage_users))], done: str = ""
) -> Response:
    """All accounts."""
    return _page(request, caller, done=DONE.get(done, ""))


@router.post("/users")
def create(request: Request, caller: Annotated[Caller, Depends(reader(Action.manage_users))], sent: Sent) -> Response:
    """A new account."""
    center, language = center_of(request), language_of(request)
    document = read(FIELDS, sent)
    errors = missing(FIELDS, document, language)
    if not errors:
        try:
            with center.database.write() as session:
                service.create_user(
                    session,
                    center.clock,
                    center.hasher,
                    username=sent.one("username"),
                    display_name=sent.one("display_name"),
                    password=sent.one("password"),
                    roles=_roles(sent),
                    rules=center.account_rules,
                )
                roles = ", ".join(sent.all("roles"))
                subject = service.normal_username(sent.one("username")) or ""
                actor = actor_of(request, caller)
                record(session, center.clock.now(), actor, Event.USER_CREATED, subject=subject, roles=roles)
        except Problem as problem:
            field = "username" if problem.type == "user-exists" else ""
            errors[field] = refusal_text(problem, center, language)
        else:
            return see_other("/users?done=created")
    values = {**sent.values(FIELDS), "password": ""}
    return _page(request, caller, values=values, errors=errors, status=422)


@router.post("/users/{username}/{act}")
def change(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.manage_users))],
    username: str,
    act: str,
    sent: Sent,
) -> Response:
    """Change an account: ``roles``, ``password``, ``second-factor``, ``disable``, ``enable``."""
    center, language = center_of(request), language_of(request)
    try:
        with center.database.write() as session:
            match act:
                case "roles":
                    service.set_roles(session, username, _roles(sent))
                case "password":
                    password = sent.one("password")
                    service.set_password(
                        session, center.clock, center.hasher, username, password, rules=center.account_rules
                    )
                case "second-factor":
                    second_factor.end(session, service.find_user(session, username).id)
                case "disable":
                    service.disable_user(session, center.clock, username)
                case "enable":
                    service.enable_user(session, username)
                case _:
                    raise Problem(404, N_("not-found"), N_("There is nothing at this address."))
            actor, more = actor_of(request, caller), {"roles": ", ".join(sent.all("roles"))} if act == "roles" else {}
            record(session, center.clock.now(), actor, EVENTS[act], subject=username, **more)
    except Problem as problem:
        if problem.status not in (409, 422):
            raise
        return _page(request, caller, errors={"": refusal_text(problem, center, language)}, status=problem.status)
    return see_other(f"/users?done={act}d" if act.endswith("able") else f"/users?done={act}")


def _roles(sent: FormData) -> list[Role]:
    return [Role(name) for name in sent.all("roles") if name in set(Role)]


def _page(
    request: Request,
    caller: Caller,
    *,
    done: str = "",
    values: Values | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    with center_of(request).database.read() as session:
        accounts = [
            {
                "username": user.username,
                "display_name": user.display_name,
                "roles": [role.value for role in Role if role in user.roles],
                "disabled_at": user.disabled_at,
                "created_at": user.created_at,
                "second_factor": user.totp_secret is not None,
            }
            for user in service.list_users(session)
        ]
    return render(
        request,
        "users.html",
        caller=caller,
        status=status,
        accounts=accounts,
        fields=FIELDS,
        values=values or {},
        errors=errors or {},
        done=done,
        choices={"roles": words(language_of(request), "role")},
        opened=bool(values),
    )
