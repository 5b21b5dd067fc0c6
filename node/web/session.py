"""Who reads a page: the token in the session cookie, checked in the database at every request.

The cookie is named after the center, since cookies know no ports and a demo runs seven centers on one host.
"""

from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from node.accounts.authorise import ONLY, Guard, authorised_here
from node.accounts.roles import Action
from node.accounts.service import Caller, Issued, authenticate
from node.accounts.tables import TokenKind
from node.accounts.uses import is_use
from node.web.center import center_of


def cookie_name(code: str) -> str:
    """Name of the session cookie of a center."""
    return f"liandong_session_{code}"


def token_of(request: Request) -> str | None:
    """The token that came with the request's cookie."""
    return request.cookies.get(cookie_name(center_of(request).code))


def keep(response: Response, request: Request, issued: Issued) -> None:
    """Give the browser its session: not for scripts or other sites, only over TLS where there is TLS."""
    center = center_of(request)
    response.set_cookie(
        cookie_name(center.code),
        issued.token,
        max_age=max(0, int((issued.expires_at - center.clock.now()).total_seconds())),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def forget(response: Response, request: Request) -> None:
    """Take the session from the browser."""
    response.delete_cookie(
        cookie_name(center_of(request).code),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def caller_of(request: Request) -> Caller | None:
    """Who is signed in in this browser; a disabled or expired one is nobody."""
    token = token_of(request)
    return caller_by(request, token) if token is not None else None


def caller_by(request: Request, token: str) -> Caller | None:
    """Whose session this is, by its token; nobody's if it has ended."""
    center = center_of(request)
    with center.database.read() as session:
        caller = authenticate(session, center.clock, token, TokenKind.session, center.account_rules, center.uses)
    if caller is not None and is_use(request):
        center.uses.note(caller.session_key, center.clock.now())
    return caller


class Reader(Guard):
    """A dependency that lets in whoever is signed in and may do an action. Make it with ``reader``."""

    def __init__(self, action: Action) -> None:
        super().__init__({ONLY: frozenset({action})})
        self.action = action

    def __call__(self, request: Request) -> Caller:
        """Who reads.

        Raises:
            Problem: 401 ``unauthenticated``, which pages answer with the way to sign in; 403 ``forbidden``.
        """
        return signed_in(request, self.action)


@cache
def reader(action: Action) -> Reader:
    """The dependency that guards a page with this action (one object for each action)."""
    return Reader(action)


def signed_in(request: Request, action: Action) -> Caller:
    """Who reads, if their roles may do this; for guards, which every page declares in its signature.

    Raises:
        Problem: 401 ``unauthenticated``; 403 ``forbidden``.
    """
    return authorised_here(center_of(request), request, caller_of(request), action)
