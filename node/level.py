"""What a level (county, township, village, or another) must provide; the service loads it by name.

Levels differ only in policy and pages. ``node`` imports no level: it is told a name and finds the package of
that name.
"""

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fastapi import APIRouter

from protocol.policy import Policy


@dataclass(frozen=True, kw_only=True)
class NavigationItem:
    """One entry of the main navigation.

    Attributes:
        key: what a page names as ``active`` to be marked as the current one.
        msgid: catalog message.
        path: where it leads.
        icon: name in ``node/web/icons.txt``.
        roles: who sees it; others don't, it is never greyed. Empty: everyone.
        phone: whether it stands in the bar at the bottom of a phone; else it stands in the menu there.
        wide: whether it stands in the bar at the top of a wide screen; what stands in neither is in the menu.
        queue: the queue whose number stands beside it (``node.cases.queues``); empty for none.
        hot: whether that number is work that waits for somebody here.
    """

    key: str
    msgid: str
    path: str
    icon: str
    roles: frozenset[str] = frozenset()
    phone: bool = True
    wide: bool = True
    queue: str = ""
    hot: bool = False

    def is_for(self, roles: frozenset[str]) -> bool:
        """Whether someone with these roles sees the item."""
        return not self.roles or bool(self.roles & roles)


@dataclass(frozen=True, kw_only=True)
class Level:
    """All that differs between levels.

    Attributes:
        name: the package's name, also in certificates: ``county``, ``township``, ``village``.
        title: catalog message, "County level".
        letter: catalog message, the one letter in the square that names the level (村, 镇, 县).
        navigation: the main navigation in order; a person's first page is the first item that they see.
        policy: the rules this level starts with; the county may send stricter ones.
        template_directory: templates of this level, seen by pages under ``level/``.
        router: pages that only this level has.
    """

    name: str
    title: str
    letter: str
    navigation: tuple[NavigationItem, ...]
    policy: Policy
    template_directory: Path
    router: APIRouter | None = None


class UnknownLevel(LookupError):
    """No installed package provides this level."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown level {name!r}: a package of this name with a module level.py is needed")


def load_level(name: str) -> Level:
    """The level of this name.

    Raises:
        UnknownLevel: no package of this name provides one.
    """
    if not re.fullmatch(r"[a-z]{1,20}", name):
        raise UnknownLevel(name)
    try:
        module = import_module(f"{name}.level")
    except ModuleNotFoundError as error:
        if error.name in (name, f"{name}.level"):
            raise UnknownLevel(name) from error
        raise
    level = getattr(module, "LEVEL", None)
    if not isinstance(level, Level):
        raise UnknownLevel(name)
    return level
