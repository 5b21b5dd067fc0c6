"""Pages from templates: who reads, in which language, at which center, with which links.

``render`` fills what every template may ask for; a page adds its own. The names are the contract between
pages and templates: ``language``, ``other_language``, ``now``, ``near_days``, ``names``, ``center``, ``person``,
``navigation``, ``can``, ``link``, ``links``, ``here``,
``standings`` and ``version``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from node.accounts.roles import Action, Role, allowed
from node.accounts.service import Caller
from node.center import Center
from node.errors_http import language_of
from node.i18n import N_, Language, joined, translate
from node.level import NavigationItem
from node.version import VERSION
from node.web.center import center_of
from node.web.links import LinkRow, link_rows, sum_of
from node.web.notices import desk_of, notices_of
from node.web.standing import standings_of
from node.web.templates import environment
from node.words import place_name, word

SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True)
class CenterView:
    """The center as pages name it."""

    code: str
    level: str
    name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in."""

    username: str
    display_name: str
    role_words: str


class Can:
    """``{% if can.register %}``: whether the reader's roles may ever do something."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles = frozenset(roles)

    def __getattr__(self, name: str) -> bool:
        """Whether a role of this person may do the action of this name."""
        return allowed(self._roles, Action(name))


def render(
    request: Request,
    template: str,
    *,
    caller: Caller | None = None,
    links: Sequence[LinkRow] | None = None,
    status: int = 200,
    **context: object,
) -> Response:
    """The page, in the language of the reader.

    Args:
        request: the request that is answered.
        template: name of the template.
        caller: who is signed in.
        links: the links for the mark in the top bar, if the page has read them already.
        status: HTTP status.
        context: what the template needs beside what every page has.
    """
    center = center_of(request)
    language = language_of(request)
    tree = center.directory.tree
    if caller is not None and caller.owes is not None:
        caller = None  # no news and no ways for whoever must do something first
    if links is None:
        links = link_rows(center, language) if caller is not None else ()
    desk = desk_of(center) if caller is not None and allowed(caller.roles, Action.read_cases) else None
    page = environment(center.level.template_directory).get_template(template)
    text = page.render(
        language=language,
        other_language="en" if language == "zh-CN" else "zh-CN",
        now=center.clock.now(),
        near_days=center.policy.near_days,
        names=lambda code: place_name(tree.name(code)),
        levels=tree.level,
        center=center_view(center, language),
        person=person_of(caller, language),
        navigation=navigation(center, caller),
        can=Can(caller.roles if caller else ()),
        link=sum_of(links, language),
        here=here(request),
        version=VERSION,
        links=links,
        counts=desk.counts if desk is not None else {},
        notices=notices_of(desk, language) if desk is not None else [],
        standings=standings_of(center, language) if caller is not None else [],
        **context,
    )
    headers = {"Content-Language": language, "Vary": "Cookie, Accept-Language"}
    return HTMLResponse(text, status, headers)


def see_other(path: str) -> Response:
    """Go there with GET: what every form that was accepted answers."""
    return RedirectResponse(path, SEE_OTHER)


def to_login(request: Request) -> Response:
    """Sign in first and come back; htmx is told to leave the page, not to swap the form into a part of it."""
    address = f"/login?next={quote(here(request), safe='/')}"
    if _of_a_page(request):
        return Response(status_code=401, headers={"HX-Redirect": address})
    return see_other(address)


def _of_a_page(request: Request) -> bool:
    """Whether a page asks for a part of itself."""
    return request.headers.get("hx-request") == "true"


def here(request: Request) -> str:
    """The page to come back to: this one if it was read, else the one that its form or its part stands on."""
    read = request.method == "GET" and not _of_a_page(request)
    url = urlsplit(str(request.url) if read else request.headers.get("referer", ""))
    if url.netloc != request.url.netloc or url.path in ("/login", "/logout"):
        return "/"
    return local_path(url.path + (f"?{url.query}" if url.query else ""))


def local_path(path: str | None) -> str:
    """``path`` if it leads to this center, else ``/``; keeps ``next`` from sending people to another site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path


def center_view(center: Center, language: Language) -> CenterView:
    """The center's names."""
    place = place_name(center.name)
    full_name = translate(language, N_("{place} center"), place=place)
    return CenterView(code=center.code, level=center.level.name, name=center.name, full_name=full_name)


def person_of(caller: Caller | None, language: Language) -> Person | None:
    """The reader's names."""
    if caller is None:
        return None
    roles = [word(language, "role", role) for role in Role if role in caller.roles]
    return Person(caller.username, caller.display_name, joined(language, roles))


def first_page(center: Center, caller: Caller) -> str:
    """Where this person's work begins: the first item of the navigation that they see."""
    items = navigation(center, caller)
    return items[0].path if items else "/about"


def navigation(center: Center, caller: Caller | None) -> list[NavigationItem]:
    """What of the level's navigation this person sees."""
    if caller is None:
        return []
    roles = frozenset(role.value for role in caller.roles)
    return [item for item in center.level.navigation if item.is_for(roles)]
