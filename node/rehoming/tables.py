"""Tables of changing centers."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class SuccessionRow(Base):
    """A merged center whose successor has taken its place on all cases that we hold."""

    __tablename__ = "successions"

    code: Mapped[str] = mapped_column(primary_key=True)
    successor: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime]
