"""The dossier (卷宗): papers put into it, people asked, and its way to the archive."""

from typing import Annotated

from pydantic import Field

from protocol.codes import Part, Retention
from protocol.entries.parts import MEDIATORS_MAX, REASON_MAX, TEXT_MAX, Body, Name, Place, Text
from protocol.records import Instant

PAGES_MAX = 9999

Pages = Annotated[int, Field(ge=1, le=PAGES_MAX)]


class Inquired(Body):
    """Somebody was asked what they know (调查).

    Attributes:
        held_at: when.
        place: where.
        inquirers: who asked.
        asked: who was asked; need not be a party.
        text: what they said.
    """

    held_at: Instant
    place: Place
    inquirers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MEDIATORS_MAX)]
    asked: Name
    text: Text


class Filed(Body):
    """Papers were put into the dossier (归卷): signed notices, copies of identity cards, evidence, receipts.

    Attributes:
        parts: the parts of the dossier that they belong to.
        pages: how many sheets.
        note: what they are.
    """

    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=len(Part))]
    pages: Pages | None = None
    note: Annotated[str, Field(max_length=TEXT_MAX)] | None = None


class Archived(Body):
    """The dossier of an ended case went to the archive (归档).

    Attributes:
        retention: how long it is kept.
        explanation: why parts are missing, or what else a later reader must know (情况说明).
    """

    retention: Retention
    explanation: Annotated[str, Field(min_length=1, max_length=REASON_MAX)] | None = None
