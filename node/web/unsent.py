"""What somebody sent when their session had ended: it waits in the page they sign in on, and can be sent again then.

The center keeps nothing of it: the browser brings it along in a hidden field, and what comes back is looked at as
critically as any form. Forms with a password are never kept, and files can't be.
"""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from node.accounts.service import Issued
from node.errors_http import sent_of
from node.web.rendering import local_path, render, see_other
from node.web.session import caller_by

FIELD: Final = "unsent"
"""Name of the hidden field."""

NEVER: Final = ("/login", "/logout", "/account")
"""Where forms lead that are not sent again."""


class Unsent(NamedTuple):
    """A form that was not taken.

    Attributes:
        path: where it was sent to.
        fields: names and values, in their order.
    """

    path: str
    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """As the hidden field holds it."""
        return json.dumps([self.path, self.fields], ensure_ascii=False)

    @property
    def words(self) -> list[str]:
        """What a person wrote of it; codes and marks are left out."""
        return [value for _, value in self.fields if any(one.isspace() or not one.isascii() for one in value.strip())]


def unsent_of(request: Request) -> Unsent | None:
    """The form that this request wanted to send, if it may be kept."""
    return _checked(request.url.path, sent_of(request))


def unsent_from(text: str) -> Unsent | None:
    """What the hidden field brings back; None where it was tampered with."""
    try:
        path, fields = json.loads(text)
        pairs = [(name, value) for name, value in fields]
    except (ValueError, TypeError):
        return None
    if not all(isinstance(part, str) for pair in pairs for part in pair) or not isinstance(path, str):
        return None
    return _checked(path, pairs)


def _checked(path: str, fields: Sequence[tuple[str, str]]) -> Unsent | None:
    there = urlsplit(local_path(path)).path
    if not fields or there == "/" or there.startswith(NEVER) or any("password" in name for name, _ in fields):
        return None
    return Unsent(there, tuple(fields))


def signed_in_page(request: Request, issued: Issued, unsent: Unsent | None, next_path: str) -> Response:
    """Where a sign-in leads: to the page, or first to what was not saved and the way to send it now."""
    if unsent is None:
        return see_other(next_path)
    return render(request, "unsent.html", caller=caller_by(request, issued.token), unsent=unsent, back=next_path)
