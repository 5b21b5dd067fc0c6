"""The one place where an API call is authorised.

A route declares its action in its signature and gets the person who calls::

    @router.post("/cases/{case_id}/accept")
    def accept(caller: Annotated[Caller, Depends(require(Action.accept))], ...) -> ...:

Without a good token the answer is 401, and 403 when no role of this user may ever do this. Every request asks
the database, so a disabled user is out at once. ``unguarded`` finds API routes that forgot their action.
"""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Protocol, cast

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from node.accounts.passwords import PasswordHasher
from node.accounts.roles import ROLE_NAMES, Action, allowed, roles_for
from node.accounts.service import Caller, authenticate
from node.accounts.tables import TokenKind
from node.accounts.throttle import Throttle
from node.audit.requests import note_refusal
from node.clock import Clock
from node.db import Database
from node.i18n import N_, Language, translate
from node.problems import Member, Problem

API_PREFIX = "/api/v1/"

PUBLIC_ROUTES = frozenset({"POST /api/v1/login"})
"""API routes that need no token: the one that gives it."""

_BEARER = HTTPBearer(scheme_name="token", description="The token that `POST /api/v1/login` gave.", auto_error=False)

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class AccountsCenter(Protocol):
    """What accounts need of a center; ``app.state.center`` is one."""

    @property
    def database(self) -> Database:
        """The center's database."""
        ...

    @property
    def clock(self) -> Clock:
        """The center's clock."""
        ...

    @property
    def hasher(self) -> PasswordHasher:
        """How passwords are hashed here."""
        ...

    @property
    def throttle(self) -> Throttle:
        """How often sign-ins failed here."""
        ...


class Forbidden(Problem):
    """403: no role of this user may ever do this; names the roles that may."""

    def __init__(self, action: Action) -> None:
        self.needed = roles_for(action)
        super().__init__(
            403,
            N_("forbidden"),
            N_("Your roles don't allow this; it needs one of: {roles}."),
            action=action.value,
            roles=[role.value for role in self.needed],
        )

    def document(self, language: Language) -> dict[str, Member]:
        """The problem document; people read the roles by their names."""
        names = [translate(language, ROLE_NAMES[role]) for role in self.needed]
        return {**super().document(language), "detail": translate(language, self.detail, roles=names)}


class Require:
    """A dependency that lets in whoever may do ``action``. Make it with ``require``."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """The caller, or 401, or 403."""
        center = center_of(request)
        caller = None
        if credentials is not None:
            with center.database.read() as session:
                caller = authenticate(session, center.clock, credentials.credentials, TokenKind.token)
        return authorised_here(center, request, caller, self.action)


@cache
def require(action: Action) -> Require:
    """The dependency that guards a route with this action (one object for each action)."""
    return Require(action)


def authorised(caller: Caller | None, action: Action) -> Caller:
    """The caller, if they may do this; pages with a session cookie ask here, as ``Require`` does for tokens.

    Raises:
        Problem: 401 ``unauthenticated`` without a caller.
        Forbidden: 403 ``forbidden`` if no role of theirs may ever do this.
    """
    if caller is None:
        raise Problem(401, N_("unauthenticated"), N_("Sign in first: no valid token came with this request."))
    if not allowed(caller.roles, action):
        raise Forbidden(action)
    return caller


def authorised_here(center: AccountsCenter, request: Request, caller: Caller | None, action: Action) -> Caller:
    """As ``authorised``; a refusal stands in the audit log."""
    try:
        return authorised(caller, action)
    except Forbidden:
        assert caller is not None
        note_refusal(center, request, caller, action.value)
        raise


def center_of(request: Request) -> AccountsCenter:
    """The center that this application serves."""
    return cast("AccountsCenter", request.app.state.center)


# ---------------------------------------------------------------- the route table


def guarded_routes(app: FastAPI) -> Iterator[tuple[str, frozenset[Action]]]:
    """Every API route as ``METHOD /path`` with the actions it asks for (none: it isn't guarded)."""
    for route in iter_route_contexts(app.routes):
        path = route.path_format or route.path or ""
        if path.startswith(API_PREFIX):
            for method in sorted(route.methods or {"ANY"}):
                yield f"{method} {path}", frozenset(_actions(_dependant(route)))


def unguarded(app: FastAPI) -> list[str]:
    """API routes that anyone could call; a test asserts that there are none."""
    return [route for route, actions in guarded_routes(app) if not actions and route not in PUBLIC_ROUTES]


def _dependant(route: RouteContext) -> Dependant | None:
    found = getattr(route, "dependant", None)
    return found if isinstance(found, Dependant) else None


def _actions(dependant: Dependant | None) -> Iterator[Action]:
    if dependant is None:
        return
    if isinstance(dependant.call, Require):
        yield dependant.call.action
    for inner in dependant.dependencies:
        yield from _actions(inner)
