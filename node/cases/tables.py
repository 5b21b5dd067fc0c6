"""Tables of cases: the row that lists and filters read, the log, and what waits for it."""

from datetime import date, datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base
from node.vault import SealedText


class CaseRow(Base):
    """A case as far as this center may know it (``access``, see ``node.access``).

    ``state`` is the fold of the log (full and viewed copies); ``invitation`` and ``header`` are the last ones
    received. The plain columns repeat what lists show and filter by.
    """

    __tablename__ = "cases"
    __table_args__ = (
        Index("ix_cases_list", "registered_at", "id"),
        Index("ix_cases_held", "holder", "ended", "deadline"),
        Index("ix_cases_status", "status"),
        Index("ix_cases_grade", "grade", "ended", "registered_at", "id"),
        Index("ix_cases_category", "category"),
        Index("ix_cases_visits", "holder", "visit_on"),
        Index("ix_cases_transit", "in_transit_to"),
        Index("ix_cases_joint", "joint", "ended", "deadline"),
        Index("ix_cases_supervised", "supervised", "ended", "deadline"),
        Index("ix_cases_open", "ended", "deadline"),
        Index("ix_cases_planned", "visit_on"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    access: Mapped[str]
    number: Mapped[str] = mapped_column(index=True)
    display_number: Mapped[str]
    title: Mapped[str | None]
    place: Mapped[str | None]
    category: Mapped[str]
    grade: Mapped[str]
    status: Mapped[str]
    origin: Mapped[str]
    holder: Mapped[str | None]
    in_transit_to: Mapped[str | None]
    epoch: Mapped[int]
    seq: Mapped[int]
    deadline: Mapped[datetime | None]
    registered_at: Mapped[datetime]
    joint: Mapped[bool]
    supervised: Mapped[bool]
    returns: Mapped[int]
    subsidy: Mapped[str | None] = mapped_column(Text)
    subsidy_at: Mapped[datetime | None] = mapped_column(index=True)
    """The subsidy that was claimed, and when; no party stands in it."""
    ended: Mapped[bool]
    accepted: Mapped[bool]
    """Whether a person has accepted it in this term (签收); so far as this center reads the log."""
    came_by: Mapped[str | None]
    came_from: Mapped[str | None]
    since: Mapped[datetime]
    """How, from whom and when it came to its present holder; since its registration where it never moved."""
    open_orders: Mapped[int]
    answer_by: Mapped[datetime | None]
    """Supervision orders that wait for an answer, and the first instant by which one is due."""
    handler: Mapped[str | None]
    """Who deals with it at its holder."""
    last_rung: Mapped[str | None]
    """The step of the ladder at which the last order by rule of this term was written."""
    visit_on: Mapped[date | None]
    """The next planned follow-up visit."""
    state: Mapped[str | None] = mapped_column(SealedText("cases.state"))
    invitation: Mapped[str | None] = mapped_column(SealedText("cases.invitation"))
    header: Mapped[str | None] = mapped_column(Text)
    centers: Mapped[str] = mapped_column(Text)
    """Codes of all centers that the state names, for those who have to find what concerns one."""
    header_told: Mapped[str | None]
    """Digest of the header last told to our ancestors, and of who they were; None while none was told."""
    view_until: Mapped[datetime | None]
    """Until when a broken glass lets this center read the case."""


class EntryRow(Base):
    """A log entry as it was signed; ``salt`` and ``body`` are null where the body was purged."""

    __tablename__ = "entries"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    kind: Mapped[str]
    at: Mapped[datetime]
    center: Mapped[str]
    head: Mapped[str] = mapped_column(Text)
    signature: Mapped[str]
    salt: Mapped[str | None]
    body: Mapped[str | None] = mapped_column(SealedText("entries.body"))


class HeldBackRow(Base):
    """An entry that came before one that precedes it."""

    __tablename__ = "held_back"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    record: Mapped[str] = mapped_column(SealedText("held_back.record"))
    held_at: Mapped[datetime]


class RequestRow(Base):
    """A request: ours (``mine``), or one of another center that we, the holder, have judged or keep waiting."""

    __tablename__ = "requests"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(index=True)
    epoch: Mapped[int]
    kind: Mapped[str]
    center: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
    state: Mapped[str]
    reason: Mapped[str | None] = mapped_column(SealedText("requests.reason"))
    passed_epoch: Mapped[int | None]
    """The epoch at which it was passed on, where it was."""
    record: Mapped[str] = mapped_column(SealedText("requests.record"))
    mine: Mapped[bool]


class TombstoneRow(Base):
    """A transfer that was refused here and can never be applied later."""

    __tablename__ = "tombstones"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]


class PastHeaderRow(Base):
    """The place of the last header of a case that concerns us no longer: an earlier one that comes late counts not."""

    __tablename__ = "past_headers"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    seq: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)


class FrozenCaseRow(Base):
    """A case that we held when we learned that our database went back in time; it may be somebody else's by now.

    Attributes:
        told: the last header of it that our ancestors have from us, as JSON.
    """

    __tablename__ = "frozen_cases"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    told: Mapped[str | None] = mapped_column(default=None)


class LostEntryRow(Base):
    """An entry that had to give way to another one at its place, after somebody's database went back in time."""

    __tablename__ = "lost_entries"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    signature: Mapped[str] = mapped_column(primary_key=True)
    center: Mapped[str]
    kind: Mapped[str]
    record: Mapped[str] = mapped_column(SealedText("lost_entries.record"))
    lost_at: Mapped[datetime] = mapped_column(index=True)


class RouteRow(Base):
    """A routing rule; one that a ruling made counts once the holder has granted ``request_id``."""

    __tablename__ = "routes"

    id: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(index=True)
    place: Mapped[str]
    to: Mapped[str]
    department: Mapped[str | None]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
    request_id: Mapped[str | None]


class StationRow(Base):
    """A department, station, mediation room or mediator of this center (七站一中心), there every day or by rota."""

    __tablename__ = "stations"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    contact: Mapped[str | None]
    weekdays: Mapped[str]
    """Days on which it is there, as digits: 1 is Monday."""
    username: Mapped[str | None]
    """The account that reports for it."""
    active: Mapped[bool]


class CallRow(Base):
    """A call of one of our stations, as the log tells it: a projection, written with the entries."""

    __tablename__ = "calls"
    __table_args__ = (Index("ix_calls_station", "station_id", "reported_at"),)

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[str]
    task: Mapped[str] = mapped_column(SealedText("calls.task"))
    called_at: Mapped[datetime]
    report_by: Mapped[datetime]
    reported_at: Mapped[datetime | None]


class OrderNumberRow(Base):
    """The last number given to a supervision order in a year."""

    __tablename__ = "order_numbers"

    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]


class NumberRow(Base):
    """The last number given in a year."""

    __tablename__ = "numbers"

    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
