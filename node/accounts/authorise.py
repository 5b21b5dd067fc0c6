"""The one place where an API call is authorised.

A route declares its action in its signature and gets the person who calls::

    @router.post("/cases/{case_id}/accept")
    def accept(caller: Annotated[Caller, Depends(require(Action.accept))], ...) -> ...:

Without a good token the answer is 401, and 403 when no role of this user may ever do this. Every request asks
the database, so a disabled user is out at once. Pages do the same with their cookie (``node.web.session.reader``).
``unguarded`` finds routes of either kind that forgot their action.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Final, Protocol, cast

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from node.accounts.passwords import PasswordHasher
from node.accounts.roles import ROLE_NAMES, Action, allowed, roles_for
from node.accounts.rules import AccountRules
from node.accounts.service import Caller, Owed, authenticate
from node.accounts.tables import TokenKind
from node.accounts.throttle import Throttle
from node.accounts.uses import Uses
from node.audit.requests import note_refusal
from node.clock import Clock
from node.db import Database
from node.i18n import N_, Language, translate
from node.problems import Member, Problem

PUBLIC_ROUTES: Mapping[str, str] = MappingProxyType(
    {
        "POST /api/v1/login": "gives the token",
        "GET /login": "the form that asks for the password",
        "POST /login": "gives the session",
        "GET /login/code": "the form that asks for the second factor",
        "POST /login/code": "gives the session to whoever has the password's pending one",
        "POST /logout": "ends a session, if there is one; a person whose session has ended may still say so",
        "GET /language/{language}": "is chosen before anybody signs in",
        "GET /healthz": "for supervisors: says that the process answers",
        "GET /readyz": "for supervisors: says whether the database answers, and nothing of what is in it",
        "GET /metrics": "for Prometheus: counters without names; the proxy keeps it inside (docs/operations.md)",
        "GET /openapi.json": "describes the API, the same for every center",
        "HEAD /openapi.json": "describes the API, the same for every center",
        "ANY /static/{path}": "style, scripts and pictures, the same for every center",
    }
)
"""Routes that anyone may call, each with the reason."""

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

    @property
    def account_rules(self) -> AccountRules:
        """What is asked of passwords and sign-ins here."""
        ...

    @property
    def uses(self) -> Uses:
        """When sessions were last used."""
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


FIRST: Mapping[Owed, frozenset[Action]] = MappingProxyType(
    {
        Owed.PASSWORD: frozenset({Action.sign_out, Action.read_self, Action.own_password}),
        Owed.SECOND_FACTOR: frozenset(
            {Action.sign_out, Action.read_self, Action.own_password, Action.own_second_factor}
        ),
    }
)
"""What can be done all the same by somebody who must do something first."""

_FIRST_WORDS: Mapping[Owed, str] = MappingProxyType(
    {
        Owed.PASSWORD: N_("Choose a new password first: somebody else chose the present one, or it is too old."),
        Owed.SECOND_FACTOR: N_("Set up a second factor first: this account's roles need one here."),
    }
)

_OWED_TYPES: Final = (N_("password-change-required"), N_("second-factor-required"))


class Guard:
    """What stands at a route, and which actions it asks for: all of the route's only act, or of each ``{act}``."""

    def __init__(self, actions: Mapping[str, frozenset[Action]]) -> None:
        self.actions = actions


ONLY = ""
"""The one act of a route that has no ``{act}`` in its path."""


class Require(Guard):
    """A dependency that lets in whoever may do ``action``. Make it with ``require``."""

    def __init__(self, action: Action) -> None:
        super().__init__({ONLY: frozenset({action})})
        self.action = action

    def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """The caller, or 401, or 403."""
        center = center_of(request)
        caller = None
        if credentials is not None:
            with center.database.read() as session:
                caller = authenticate(
                    session, center.clock, credentials.credentials, TokenKind.token, center.account_rules
                )
        return authorised_here(center, request, caller, self.action)


@cache
def require(action: Action) -> Require:
    """The dependency that guards a route with this action (one object for each action)."""
    return Require(action)


def authorised(caller: Caller | None, action: Action) -> Caller:
    """The caller, if they may do this; pages with a session cookie ask here, as ``Require`` does for tokens.

    Raises:
        Problem: 401 ``unauthenticated`` without a caller; 403 ``password-change-required`` or
            ``second-factor-required`` if they must do that before anything else.
        Forbidden: 403 ``forbidden`` if no role of theirs may ever do this.
    """
    if caller is None:
        raise Problem(401, N_("unauthenticated"), N_("Sign in first: no valid token came with this request."))
    if caller.owes is not None and action not in FIRST[caller.owes]:
        raise Problem(403, caller.owes.value, _FIRST_WORDS[caller.owes])
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


@dataclass(frozen=True)
class GuardedRoute:
    """One route, and what it asks for.

    Attributes:
        method: HTTP method; ``ANY`` for what is mounted.
        path: with names in braces.
        actions: what a person's roles must allow; empty where nobody asks.
    """

    method: str
    path: str
    actions: frozenset[Action]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def guarded_routes(app: FastAPI) -> Iterator[GuardedRoute]:
    """Every route of the application; one whose guard knows several acts comes once for each."""
    for route in iter_route_contexts(app.routes):
        path = route.path_format or route.path or ""
        guards = list(_guards(_dependant(route)))
        for method in sorted(route.methods or {"ANY"}):
            acts = sorted({act for guard in guards for act in guard.actions}) or [ONLY]
            for act in acts:
                actions = frozenset[Action]().union(*(guard.actions.get(act, frozenset()) for guard in guards))
                yield GuardedRoute(method, path.replace("{act}", act) if act else path, actions)


def unguarded(app: FastAPI) -> list[str]:
    """Routes that anyone could call though nobody said so; a test asserts that there are none."""
    return [str(route) for route in guarded_routes(app) if not route.actions and str(route) not in PUBLIC_ROUTES]


def _dependant(route: RouteContext) -> Dependant | None:
    found = getattr(route, "dependant", None)
    return found if isinstance(found, Dependant) else None


def _guards(dependant: Dependant | None) -> Iterator[Guard]:
    if dependant is None:
        return
    called: object = dependant.call
    if isinstance(called, Guard):
        yield called
    for inner in dependant.dependencies:
        yield from _guards(inner)
