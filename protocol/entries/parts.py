"""What bodies are made of: texts with their limits, people, and the bases of all bodies.

Texts that came in with a request of another center are limited tighter, since the entry carries the request beside
them.
"""

from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode, PartyRole
from protocol.records import Frozen, Record

TITLE_MAX = 200
PLACE_MAX = 200
NAME_MAX = 100
PHONE_MAX = 30
SHORT_TEXT_MAX = 200
TEXT_MAX = 4000
"""Free text of one entry: with four-byte characters still half of a body."""
REASON_MAX = 1000
REQUEST_TEXT_MAX = 1500
"""Free text of one request: it stands twice in the entry made from it."""
PARTIES_MAX = 30
PARTNERS_MAX = 20
MEMBERS_MAX = 30
MEDIATORS_MAX = 20
PARTICIPANTS_MAX = 30
JUDGES_MAX = 20
DEPARTMENTS_MAX = 20
TERMS_MAX = 20
"""Terms of one agreement."""
PLANNED_VISITS_MAX = 40
"""Planned visits after one agreement: the policy's days, and the day of each term."""

Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX)]
Place = Annotated[str, Field(min_length=1, max_length=PLACE_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
ShortText = Annotated[str, Field(min_length=1, max_length=SHORT_TEXT_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_MAX)]
RequestText = Annotated[str, Field(min_length=1, max_length=REQUEST_TEXT_MAX)]


class Party(Frozen):
    """A party (当事人). Nothing about ethnicity, education or the like exists (个人信息保护法 §6, §28)."""

    name: Name
    role: PartyRole = PartyRole.OTHER
    phone: Annotated[str, Field(max_length=PHONE_MAX)] | None = None
    address: Annotated[str, Field(max_length=SHORT_TEXT_MAX)] | None = None
    id_number: Annotated[str, Field(max_length=20)] | None = None


class Member(Frozen):
    """A member of a task force (专班)."""

    name: Name
    role: Annotated[str, Field(max_length=NAME_MAX)] = ""
    center: CenterCode | None = None


class Body(Frozen):
    """Base of all bodies; ``request`` is another center's signed request that this entry was made from."""

    request: Record | None = None


class WithReason(Body):
    """Something that needs a reason and nothing else."""

    reason: Reason
