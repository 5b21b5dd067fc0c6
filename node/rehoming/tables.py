"""Tables of changing centers."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class MoveRow(Base):
    """A parent that we move under, or moved under; see ``node.rehoming.moving``."""

    __tablename__ = "moves"

    parent: Mapped[str] = mapped_column(primary_key=True)
    knocked_at: Mapped[datetime]
    url: Mapped[str | None]
    """Where its broker is, as it told us."""
    ca: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    """When our settings named its broker."""


class SuccessionRow(Base):
    """A merged center whose successor has taken its place on all cases that we hold."""

    __tablename__ = "successions"

    code: Mapped[str] = mapped_column(primary_key=True)
    successor: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime]
