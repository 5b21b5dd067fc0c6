"""One's own account over HTTP, under ``/api/v1/me``: password, second factor, sign-ins, tokens for programs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from node.accounts import second_factor, service, sessions
from node.accounts.authorise import center_of, require
from node.accounts.roles import Action, Role
from node.accounts.rules import PASSWORD_MAX
from node.accounts.service import Caller
from node.accounts.tables import User
from node.audit.requests import actor_of, address_of
from node.audit.trail import Event, record
from node.i18n import N_
from node.problems import Problem

router = APIRouter(prefix="/me", tags=["accounts"])

CODE_MAX = 64
KEY_MAX = 64

Secret = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_MAX)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=CODE_MAX)]
Reading = Annotated[Caller, Depends(require(Action.read_self))]
Changing = Annotated[Caller, Depends(require(Action.own_password))]
Factoring = Annotated[Caller, Depends(require(Action.own_second_factor))]
Keeping = Annotated[Caller, Depends(require(Action.own_sessions))]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MeOut(BaseModel):
    """Who is signed in; ``owes`` says what must be done before anything else."""

    username: str
    display_name: str
    roles: list[Role]
    owes: str | None
    second_factor: bool
    recovery_codes_left: int


class PasswordIn(_Given):
    """The present password and a new one."""

    present: Secret
    new: Secret


class OfferOut(BaseModel):
    """A secret for the telephone; it counts once a code made with it came back."""

    secret: str
    uri: str


class ConfirmIn(_Given):
    """The offered secret, a code made with it, and the password."""

    secret: Annotated[str, StringConstraints(pattern=f"^{second_factor.SECRET_PATTERN}$")]
    code: Code
    password: Secret


class RecoveryOut(BaseModel):
    """Codes that stand in for the second factor once each; shown this one time."""

    recovery_codes: list[str]


class RemoveIn(_Given):
    """The password and a code, to do without a second factor from now on."""

    password: Secret
    code: Code


class SessionOut(BaseModel):
    """A sign-in; ``key`` names it and opens nothing."""

    key: str
    kind: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime
    ours: bool
    name: str | None
    roles: list[Role]


class SessionsOut(BaseModel):
    """All that have not ended, the newest first."""

    items: list[SessionOut]


class TokenIn(_Given):
    """A token for a program: what for, with which of one's roles, for how long."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=sessions.PROGRAM_NAME_MAX)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]
    days: Annotated[int, Field(ge=1, le=sessions.PROGRAM_DAYS_MAX)] = 90


class TokenOut(BaseModel):
    """The token, shown this one time."""

    token: str
    expires_at: datetime


@router.get("")
def me(request: Request, caller: Reading) -> MeOut:
    """Who this token speaks for."""
    with center_of(request).database.read() as session:
        user = session.get_one(User, caller.user_id)
        return MeOut(
            username=caller.username,
            display_name=caller.display_name,
            roles=sorted(caller.roles),
            owes=caller.owes,
            second_factor=user.totp_secret is not None,
            recovery_codes_left=second_factor.codes_left(session, caller.user_id),
        )


@router.post("/password", status_code=204)
def password(request: Request, caller: Changing, given: PasswordIn) -> None:
    """Change the own password; all sign-ins and tokens end, this one too."""
    center = center_of(request)
    service.change_own_password(
        center.database,
        center.clock,
        center.hasher,
        caller,
        present=given.present,
        new=given.new,
        rules=center.account_rules,
        address=address_of(request),
    )


@router.post("/second-factor")
def offer(request: Request, caller: Factoring, response: Response) -> OfferOut:
    """A secret to put into a telephone."""
    response.headers["Cache-Control"] = "no-store"
    del request
    secret = second_factor.new_secret()
    return OfferOut(secret=secret, uri=second_factor.uri_of(secret, caller.username))


@router.post("/second-factor/confirm")
def confirm(request: Request, caller: Factoring, response: Response, given: ConfirmIn) -> RecoveryOut:
    """Begin with the second factor; from now on every sign-in asks for a code."""
    center = center_of(request)
    response.headers["Cache-Control"] = "no-store"
    service.check_password(center.database, center.hasher, caller.username, given.password)
    with center.database.write() as session:
        codes = second_factor.begin(session, center.clock, caller.user_id, given.secret, given.code)
        record(session, center.clock.now(), actor_of(request, caller), Event.SECOND_FACTOR_SET, subject=caller.username)
    return RecoveryOut(recovery_codes=codes)


@router.post("/second-factor/remove", status_code=204)
def remove(request: Request, caller: Factoring, given: RemoveIn) -> None:
    """Do without a second factor from now on."""
    center = center_of(request)
    service.check_password(center.database, center.hasher, caller.username, given.password)
    with center.database.write() as session:
        if not second_factor.use_code(session, center.clock, caller.user_id, given.code):
            raise Problem(422, N_("bad-code"), N_("This code is wrong, or was used already."))
        second_factor.end(session, caller.user_id)
        actor = actor_of(request, caller)
        record(session, center.clock.now(), actor, Event.SECOND_FACTOR_ENDED, subject=caller.username)


@router.get("/sessions")
def open_sessions(request: Request, caller: Keeping) -> SessionsOut:
    """Where this person is signed in, and the tokens of their programs."""
    center = center_of(request)
    with center.database.read() as session:
        found = sessions.open_sessions(session, center.clock, caller, uses=center.uses, idle=center.account_rules.idle)
    return SessionsOut(items=[SessionOut.model_validate(one, from_attributes=True) for one in found])


@router.post("/sessions/{key}/end", status_code=204)
def end_session(request: Request, caller: Keeping, key: Annotated[str, Path(min_length=1, max_length=KEY_MAX)]) -> None:
    """End one of them."""
    center = center_of(request)
    with center.database.write() as session:
        if not sessions.end_session(session, caller.user_id, key):
            raise Problem(404, N_("not-found"), N_("There is no such sign-in."))
        record(session, center.clock.now(), actor_of(request, caller), Event.SESSION_ENDED, subject=caller.username)


@router.post("/tokens", status_code=201)
def make_token(request: Request, caller: Keeping, response: Response, given: TokenIn) -> TokenOut:
    """Make a token for a program; a program can't make one."""
    center = center_of(request)
    response.headers["Cache-Control"] = "no-store"
    with center.database.write() as session:
        issued = sessions.make_token(session, center.clock, caller, name=given.name, roles=given.roles, days=given.days)
        actor, roles = actor_of(request, caller), ", ".join(sorted(given.roles))
        record(session, center.clock.now(), actor, Event.TOKEN_MADE, subject=given.name, roles=roles)
    return TokenOut(token=issued.token, expires_at=issued.expires_at)
