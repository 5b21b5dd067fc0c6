"""The parties in a form: one row for each, read into the API's document and shown again as they were typed.

In a correction what is masked stays out of the page: an empty field keeps what is known, a dash takes it away.
"""

import re
from collections.abc import Sequence
from typing import Final

from node.web.forms import Document, Finder, FormData
from protocol.entries import NAME_MAX, PARTIES_MAX, PHONE_MAX, SHORT_TEXT_MAX, Party

ROWS: Final = 6
"""Rows on an empty form; more can be added by a correction."""

SPARE: Final = 2
"""Empty rows of a correction."""

REGISTERED: Final = ("name", "phone", "role")
CORRECTED: Final = (*REGISTERED, "address", "id_number")

ID_NUMBER_MAX: Final = 20
"""As ``protocol.entries.Party`` has it."""

KEPT: Final = ("phone", "id_number")
"""What a correction keeps where its field is empty."""

LIMITS: Final = {"name": NAME_MAX, "phone": PHONE_MAX, "address": SHORT_TEXT_MAX, "id_number": ID_NUMBER_MAX}

TAKEN_AWAY: Final = frozenset({"-", "—", "无"})

_PLACE: Final = re.compile(r"^(?:changes\.)?parties\.(\d+)\.(\w+)")


def rows_for(parties: Sequence[Party]) -> range:
    """The rows of a correction."""
    return range(1, min(PARTIES_MAX, max(ROWS, len(parties) + SPARE)) + 1)


def read_rows(sent: FormData, rows: Sequence[int], names: Sequence[str]) -> dict[int, Document]:
    """The rows in which somebody is named, or described without a name."""
    found: dict[int, Document] = {}
    for row in rows:
        party: Document = {name: sent.one(f"party-{row}-{name}") for name in names}
        if any(value for name, value in party.items() if name != "role"):
            found[row] = {name: value for name, value in party.items() if value}
    return found


def corrected(sent: FormData, parties: Sequence[Party]) -> dict[int, Document]:
    """The rows of a correction with what they keep; a row whose name was taken away is gone."""
    found: dict[int, Document] = {}
    for row, document in read_rows(sent, rows_for(parties), CORRECTED).items():
        known = _known(sent.one(f"party-{row}-was"), row, parties)
        if known is not None and "name" not in document:
            continue
        for name in KEPT:
            if document.get(name) in TAKEN_AWAY:
                del document[name]
            elif name not in document and known is not None and getattr(known, name) is not None:
                document[name] = getattr(known, name)
        found[row] = document
    return found


def _known(was: str, row: int, parties: Sequence[Party]) -> Party | None:
    """The party that this row was about when the form was opened; somebody may have corrected the list since."""
    if not was:
        return None
    named = [party for party in parties if party.name == was]
    at_row = parties[row - 1] if row <= len(parties) else None
    return at_row if at_row in named else next(iter(named), None)


def shown(parties: Sequence[Party]) -> dict[str, str]:
    """What stands in the rows of a correction at first."""
    values: dict[str, str] = {}
    for row, party in enumerate(parties, 1):
        values |= {
            f"party-{row}-was": party.name,
            f"party-{row}-name": party.name,
            f"party-{row}-role": party.role,
            f"party-{row}-address": party.address or "",
        }
    return values


def typed(sent: FormData, rows: Sequence[int], names: Sequence[str]) -> dict[str, str]:
    """What was typed, to show it again."""
    return {f"party-{row}-{name}": sent.one(f"party-{row}-{name}") for row in rows for name in names}


def finder(rows: Sequence[int]) -> Finder:
    """From a place in the API's document to the field of the form.

    Args:
        rows: the row of each party in the document.
    """

    def find(location: str) -> str:
        place = _PLACE.match(location)
        return f"party-{rows[int(place[1])]}-{place[2]}" if place else location

    return find
