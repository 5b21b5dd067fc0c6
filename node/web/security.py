"""What a browser is told to refuse, and the check that a form was sent from our own page.

Nothing on a page comes from elsewhere, runs inline or is framed, so the policy allows our own origin only.
Pages hold people's matters and are never stored by the browser; static files carry a hash of their content
and are kept for a year.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.i18n import N_
from node.problems import Problem

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that don't know frame-ancestors
    # Not `no-referrer`: it would make browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

STRICT_TRANSPORT_SECURITY: Final = "max-age=31536000"

KEPT: Final = "public, max-age=31536000, immutable"
"""For static files named with the hash of their content."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class SecurityHeaders:
    """ASGI middleware that adds the headers to every HTTP response.

    A header that the response already carries is left alone. ``Cache-Control`` is ``no-store`` unless the
    response says otherwise, as static files do. HSTS is sent only over https, since many offices serve their
    own network by http.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add headers to its response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", STRICT_TRANSPORT_SECURITY)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def is_cross_site(method: str, headers: Headers) -> bool:
    """Whether a browser says that this unsafe request came from somebody else's page.

    ``Sec-Fetch-Site`` decides where the browser sends it (https and localhost), else ``Origin`` against ``Host``, else
    ``Referer``, as old browsers have it. That is the algorithm of Go's ``net/http.CrossOriginProtection``, but for its
    end: who says nothing of all this and comes with a cookie, by which alone somebody else's page could act, is
    refused. A bearer token is never sent by a browser by itself, so such requests pass.
    """
    if method in SAFE_METHODS or headers.get("authorization", "").lower().startswith("bearer "):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin", headers.get("referer"))
    if origin is None:
        return "cookie" in headers
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def refuse_cross_site(request: Request) -> None:
    """Dependency of every router with unsafe page routes.

    Raises:
        Problem: 403 ``cross-site``.
    """
    if is_cross_site(request.method, request.headers):
        raise Problem(
            403,
            "cross-site",
            N_("This form was not sent from a page of this center. Open the page again and retry."),
        )
