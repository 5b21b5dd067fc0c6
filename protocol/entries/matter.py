"""What the matter is: registered, graded, corrected, numbered, found to be a duplicate."""

from typing import Annotated

from pydantic import Field

from protocol.codes import Category, CenterCode, Grade, Source, Trigger
from protocol.entries.parts import (
    DEPARTMENTS_MAX,
    JUDGES_MAX,
    PARTIES_MAX,
    TEXT_MAX,
    Body,
    Name,
    Party,
    Place,
    Reason,
    ShortText,
    Text,
    Title,
)
from protocol.records import Frozen, Instant, Token


class Registered(Body):
    """A matter was entered."""

    number: str
    display_number: str
    title: Title
    category: Category
    place: Place
    parties: Annotated[tuple[Party, ...], Field(min_length=1, max_length=PARTIES_MAX)]
    description: Annotated[str, Field(max_length=TEXT_MAX)] | None = None
    source: Source = Source.VISIT
    grade: Grade = Grade.LOW
    occurred_at: Instant | None = None
    deadline: Instant | None = None


class Graded(Body):
    """The matter was studied and its risk graded (研判): by whom, what was found, which departments are needed."""

    grade: Grade
    reason: Reason
    judged_by: Annotated[tuple[Name, ...], Field(max_length=JUDGES_MAX)] = ()
    triggers: tuple[Trigger, ...] = ()
    departments: Annotated[tuple[Name, ...], Field(max_length=DEPARTMENTS_MAX)] = ()


class Changes(Frozen):
    """What a correction may change; what is absent stays."""

    title: Title | None = None
    category: Category | None = None
    place: Place | None = None
    parties: Annotated[tuple[Party, ...], Field(min_length=1, max_length=PARTIES_MAX)] | None = None
    description: Annotated[str, Field(max_length=TEXT_MAX)] | None = None
    source: Source | None = None
    occurred_at: Instant | None = None


class Corrected(Body):
    """A mistake was corrected; entries themselves never change."""

    changes: Changes
    reason: Reason


class Noted(Body):
    """A remark, by the holder or by somebody who takes part."""

    text: Text
    by: CenterCode | None = None


class Merged(Body):
    """The case was found to be a duplicate of another."""

    into: Token
    number: ShortText | None = None


class Absorbed(Body):
    """Another case was found to be a duplicate of this one and ended as merged; both histories stay."""

    case_id: Token
    number: ShortText
    by: CenterCode | None = None


class Renumbered(Body):
    """The number was given twice after a restore; the old one stays as an alias."""

    number: str
    display_number: str
    old_number: str
