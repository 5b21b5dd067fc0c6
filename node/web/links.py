"""Links as a person reads them: one of four conditions, and their sum in the top bar of every page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from node.center import Center
from node.i18n import N_, Language, translate, translate_plural
from node.links_api import LinkOut, read_links
from node.words import LINK_TROUBLES
from protocol.actions import State

Condition = Literal["up", "behind", "down", "stopped"]

BEHIND: Final = 20
"""Waiting messages from which a link is shown as catching up; fewer pass before anyone has read it."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link as the table shows it; ``direction`` is ``up`` or ``down``."""

    peer: str
    level: str
    direction: str
    condition: Condition
    words: str
    sent: int
    acked: int
    applied: int
    backlog: int
    oldest_unacked_at: datetime | None
    parked: int
    last_hello_at: datetime | None
    healing: bool = False
    refused: int = 0
    limited_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkSum:
    """All links in one mark: the worst condition, in a sentence and in a word, and how many messages wait.

    ``since`` is since when something waits for the superior whose link is down, or when it was last heard.
    ``serious`` is what everyone must know: a stopped link, none to the superior, a restored database. A child that is
    offline is not. ``detail`` says what it means for people, where there is more to say than that work goes on.
    """

    condition: Condition
    words: str
    short: str
    backlog: int
    serious: bool = False
    since: datetime | None = None
    detail: str | None = None


def condition_of(state: str, *, connected: bool, backlog: int) -> Condition:
    """The condition of a link by its state (``protocol.link.State``), its wire and what waits."""
    if state == "stopped":
        return "stopped"
    if state != "linked" or not connected:
        return "down"
    return "behind" if backlog >= BEHIND else "up"


_WORDS: Final[dict[Condition, str]] = {
    "up": N_("linked"),
    "behind": N_("catching up"),
    "down": N_("no link"),
    "stopped": N_("stopped"),
}


def condition_words(condition: Condition, language: Language) -> str:
    """What a condition is called."""
    return translate(language, _WORDS[condition])


def link_rows(center: Center, language: Language) -> tuple[LinkRow, ...]:
    """The links of this center, the superior first."""
    with center.database.read() as session:
        return tuple(_row(center, link, language) for link in read_links(center, session))


def _row(center: Center, link: LinkOut, language: Language) -> LinkRow:
    condition = condition_of(link.state, connected=link.connected, backlog=link.backlog)
    return LinkRow(
        peer=link.peer,
        level=center.directory.tree.level(link.peer),
        direction=link.direction,
        condition=condition,
        words=_trouble(link, language) or condition_words(condition, language),
        sent=link.sent,
        acked=link.acked,
        applied=link.applied,
        backlog=link.backlog,
        oldest_unacked_at=link.oldest_unacked_at,
        parked=link.parked,
        last_hello_at=link.last_hello_at,
        healing=link.healing,
        refused=link.refused,
        limited_until=link.limited_until,
    )


def _trouble(link: LinkOut, language: Language) -> str | None:
    """Why nothing moves on this link, where it is not simply down."""
    if link.state not in {State.STOPPED, State.HEALING} or link.stop_reason is None:
        return None
    return translate(language, LINK_TROUBLES.get(link.stop_reason, link.stop_reason))


def sum_of(rows: Sequence[LinkRow], language: Language) -> LinkSum | None:
    """The sum of all links; None for a center that has none."""
    if not rows:
        return None
    backlog = sum(row.backlog for row in rows)
    stopped = sum(row.condition == "stopped" for row in rows)
    down = sum(row.condition == "down" for row in rows)
    if stopped:
        words = translate_plural(language, "{n} link has stopped", "{n} links have stopped", stopped)
        why = "; ".join(f"{row.peer}: {row.words}" for row in rows if row.condition == "stopped")
        return LinkSum("stopped", words, condition_words("stopped", language), backlog, serious=True, detail=why)
    if awaited := [row.peer for row in rows if row.healing]:
        words = translate(language, N_("This center's database went back in time"))
        detail = translate(
            language,
            N_("The cases that it held can't be moved until {centers} were met. All other work goes on."),
            centers=awaited,
        )
        return LinkSum("behind", words, condition_words("behind", language), backlog, serious=True, detail=detail)
    if limited := [row.peer for row in rows if row.limited_until is not None]:
        words = translate(language, N_("{centers} sends what no center sends"), centers=limited)
        detail = translate(
            language,
            N_(
                "It is not listened to for a while. Look at its machine: it may be in other hands. All other work goes "
                "on."
            ),
        )
        return LinkSum("behind", words, translate(language, N_("limited")), backlog, serious=True, detail=detail)
    up = next((row for row in rows if row.condition == "down" and row.direction == "up"), None)
    if up is not None:
        words = translate(language, N_("No link to the superior"))
        since = up.oldest_unacked_at or up.last_hello_at
        return LinkSum("down", words, condition_words("down", language), backlog, serious=True, since=since)
    if down:
        words = translate(language, N_("{linked} of {total} linked"), linked=len(rows) - down, total=len(rows))
        return LinkSum("down", words, words, backlog)
    condition: Condition = "behind" if any(row.condition == "behind" for row in rows) else "up"
    words = condition_words(condition, language)
    return LinkSum(condition, words, words, backlog)
