"""Which pages are pictured, who looks at them, and which pictures the guide shows."""

from dataclasses import dataclass
from typing import Final

WIDTHS: Final = {"": 1440, "-390": 390}
"""Suffix of the file's name, and pixels."""

LANGUAGES: Final = {"": "zh-CN", "-en": "en"}


@dataclass(frozen=True, slots=True)
class Shot:
    """One page.

    Attributes:
        name: of the file.
        level: whose page.
        role: who is signed in; nobody where it is empty.
        path: its address.
        follow: a link on that page that leads to the one that is meant; the first that fits.
        then: added to the address that it leads to.
    """

    name: str
    level: str
    role: str
    path: str
    follow: str = ""
    then: str = ""


_CASE: Final = "main a[href^='/cases/']:not([href$='/new'])"

SHOTS: Final = (
    Shot("login", "village", "", "/login"),
    Shot("village-today", "village", "clerk", "/today"),
    Shot("village-register", "village", "clerk", "/cases/new"),
    Shot("village-cases", "village", "clerk", "/cases"),
    Shot("village-case", "village", "clerk", "/cases?queue=held", _CASE),
    Shot("village-escalate", "village", "clerk", "/cases?queue=held", _CASE, "/escalate"),
    Shot("village-mediation", "village", "mediator", "/cases?queue=held", _CASE, "/mediations"),
    Shot("village-visits", "village", "clerk", "/cases?queue=visits"),
    Shot("township-inbox", "township", "dispatcher", "/inbox"),
    Shot("township-assign", "township", "dispatcher", "/inbox?queue=held", _CASE, "/assign"),
    Shot("township-return", "township", "dispatcher", "/inbox?queue=to_accept", _CASE, "/return"),
    Shot("township-grade", "township", "dispatcher", "/inbox?queue=held", _CASE, "/grade"),
    Shot("township-invite", "township", "dispatcher", "/inbox?queue=held", _CASE, "/joint"),
    Shot("township-joint", "township", "dispatcher", "/cases?queue=joint", _CASE),
    Shot("township-dossier", "township", "dispatcher", "/inbox?queue=held", _CASE, "/dossier"),
    Shot("township-papers", "township", "dispatcher", "/papers"),
    Shot("township-supervised", "township", "dispatcher", "/cases?queue=supervised"),
    Shot("township-stations", "township", "director", "/stations"),
    Shot("township-calls", "township", "dispatcher", "/calls"),
    Shot("township-subsidies", "township", "director", "/subsidies"),
    Shot("village-grid", "village", "clerk", "/grid"),
    Shot("village-reports", "village", "director", "/reports"),
    Shot("township-reports", "township", "director", "/reports"),
    Shot("township-board", "township", "monitor", "/board"),
    Shot("county-board", "county", "monitor", "/board"),
    Shot("county-inbox", "county", "director", "/inbox"),
    Shot("county-joint", "county", "director", "/cases?queue=joint", _CASE),
    Shot("county-lead", "county", "director", "/cases?queue=joint", _CASE, "/joint/lead"),
    Shot("county-rules", "county", "director", "/policy"),
    Shot("admin-links", "township", "admin", "/links"),
    Shot("admin-users", "township", "admin", "/users"),
    Shot("admin-backups", "township", "admin", "/backups"),
    Shot("admin-audit", "township", "admin", "/audit"),
    Shot("account", "village", "clerk", "/account"),
    Shot("about", "county", "director", "/about"),
)

GUIDE: Final = frozenset(
    {
        "village-today",
        "village-register-390",
        "village-case",
        "village-escalate",
        "township-inbox",
        "township-assign",
        "township-joint",
        "township-stations",
        "county-board",
        "county-rules",
        "admin-links",
        "admin-users",
        "admin-backups",
        "admin-audit",
        "county-board-en",
        "village-today-en",
        "township-inbox-en",
    }
)
"""Pictures that stand in the repository; all others are only made."""
