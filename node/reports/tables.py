"""Tables of what is reported: inspections of this center, weekly reports of this center and its children."""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class InspectionRow(Base):
    """What one person's inspection of a local day found; zero is a finding too (零报告). The last word counts."""

    __tablename__ = "inspections"

    day: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(primary_key=True)
    actor: Mapped[str]
    area: Mapped[str]
    found: Mapped[int]
    at: Mapped[datetime]


class WeeklyReportRow(Base):
    """A weekly report as it was signed: our own, or a child's; the highest version of each week is kept."""

    __tablename__ = "weekly_reports"

    center: Mapped[str] = mapped_column(primary_key=True)
    week: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    claims: Mapped[str] = mapped_column(Text)
    signature: Mapped[str]
    sent_at: Mapped[datetime]
