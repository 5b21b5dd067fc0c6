"""Accounts over HTTP: sign in, sign out, and the administrator's list of users. Mounted under ``/api/v1``."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from node.accounts import service
from node.accounts.authorise import Credentials, center_of, require
from node.accounts.roles import Action, Role
from node.accounts.rules import PASSWORD_MAX, PASSWORD_MIN
from node.accounts.service import Caller
from node.accounts.tables import User
from node.audit.requests import actor_of, address_of
from node.audit.trail import Event, record
from node.idempotency import Attempt, attempt

router = APIRouter(tags=["accounts"])

Username = Annotated[str, StringConstraints(min_length=1, max_length=service.USERNAME_MAX)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_MAX)]


class LoginIn(BaseModel):
    """Who wants in."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: Username
    password: Password
    code: Annotated[str, StringConstraints(max_length=64)] = ""
    """Of the second factor, or a recovery code, where the account has one."""


class IssuedOut(BaseModel):
    """A token to send as ``Authorization: Bearer TOKEN``."""

    token: str
    expires_at: datetime


class UserIn(BaseModel):
    """A new account."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: Username
    display_name: Annotated[str, StringConstraints(min_length=1, max_length=service.DISPLAY_NAME_MAX)]
    password: Annotated[str, StringConstraints(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]


class UserOut(BaseModel):
    """An account as administrators see it."""

    username: str
    display_name: str
    roles: list[Role]
    created_at: datetime
    disabled_at: datetime | None


class UsersOut(BaseModel):
    """All accounts of this center, by user name."""

    items: list[UserOut]


@router.post("/login")
def login(request: Request, response: Response, credentials: LoginIn) -> IssuedOut:
    """Exchange user name and password for a token."""
    center = center_of(request)
    issued = service.login(
        center.database,
        center.clock,
        center.hasher,
        center.throttle,
        username=credentials.username,
        password=credentials.password,
        address=address_of(request),
        code=credentials.code,
        rules=center.account_rules,
    )
    response.headers["Cache-Control"] = "no-store"
    return IssuedOut(token=issued.token, expires_at=issued.expires_at)


@router.post("/logout", status_code=204)
def logout(
    request: Request, caller: Annotated[Caller, Depends(require(Action.sign_out))], credentials: Credentials
) -> None:
    """End the token that came with this request."""
    assert credentials is not None
    center = center_of(request)
    with center.database.write() as session:
        service.logout(session, credentials.credentials)
        record(session, center.clock.now(), actor_of(request, caller), Event.LOGGED_OUT)


@router.get("/users")
def list_users(request: Request, caller: Annotated[Caller, Depends(require(Action.manage_users))]) -> UsersOut:
    """All accounts of this center."""
    del caller
    with center_of(request).database.read() as session:
        return UsersOut(items=[_out(user) for user in service.list_users(session)])


@router.post("/users", status_code=201, response_model=UserOut)
def create_user(
    request: Request,
    caller: Annotated[Caller, Depends(require(Action.manage_users))],
    attempt: Annotated[Attempt, Depends(attempt)],
    user: UserIn,
) -> Response:
    """Create an account."""
    center = center_of(request)
    attempt = attempt.without_secrets(user.model_dump_json(exclude={"password"}).encode())
    with center.database.write() as session:
        if replay := attempt.begin(session, center.clock, caller):
            return replay
        created = service.create_user(
            session,
            center.clock,
            center.hasher,
            username=user.username,
            display_name=user.display_name,
            password=user.password,
            roles=user.roles,
            rules=center.account_rules,
        )
        _note(session, request, caller, Event.USER_CREATED, created)
        return attempt.answer(session, _out(created), 201)


@router.post("/users/{username}/disable", response_model=UserOut)
def disable_user(
    request: Request,
    caller: Annotated[Caller, Depends(require(Action.manage_users))],
    attempt: Annotated[Attempt, Depends(attempt)],
    username: Username,
) -> Response:
    """Lock an account; its tokens end at once."""
    center = center_of(request)
    with center.database.write() as session:
        if replay := attempt.begin(session, center.clock, caller):
            return replay
        disabled = service.disable_user(session, center.clock, username)
        _note(session, request, caller, Event.USER_DISABLED, disabled)
        return attempt.answer(session, _out(disabled))


def _note(session: Session, request: Request, caller: Caller, event: Event, user: User) -> None:
    """Write what was done to an account into the audit log."""
    now, roles = center_of(request).clock.now(), ", ".join(sorted(role.value for role in user.roles))
    record(session, now, actor_of(request, caller), event, subject=user.username, roles=roles)


def _out(user: User) -> UserOut:
    return UserOut(
        username=user.username,
        display_name=user.display_name,
        roles=sorted(user.roles),
        created_at=user.created_at,
        disabled_at=user.disabled_at,
    )
