"""Tables of counters: our own rows, and the newest rows of everyone below."""

from datetime import datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class CounterRow(Base):
    """The counters of one center as last known: our own, kept with every change, or a descendant's snapshot."""

    __tablename__ = "counters"

    code: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str]
    counter: Mapped[int]
    as_of: Mapped[datetime]
    counters: Mapped[str] = mapped_column(Text)
    """Flat counters as JSON."""
    backlog: Mapped[int] = mapped_column(default=0)


class DayCounterRow(Base):
    """The changes of one center's counters on one local day."""

    __tablename__ = "day_counters"
    __table_args__ = (Index("ix_day_counters_told", "told"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str]
    version: Mapped[int]
    counters: Mapped[str] = mapped_column(Text)
    told: Mapped[bool] = mapped_column(default=False)
    """Whether the parent has been sent this version."""


class SpanCounterRow(Base):
    """The sum of one center's daily rows of a month or a year, kept with every change (``node.status.spans``)."""

    __tablename__ = "span_counters"

    code: Mapped[str] = mapped_column(primary_key=True)
    span: Mapped[str] = mapped_column(primary_key=True)
    """Such as ``2026`` or ``2026-03``."""
    counters: Mapped[str] = mapped_column(Text)
