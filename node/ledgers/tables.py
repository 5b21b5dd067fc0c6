"""Tables of imports: ledgers on their way in, and which of their rows were registered."""

from datetime import datetime

from sqlalchemy import LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class ImportRow(Base):
    """A ledger that somebody brought; its content goes as soon as it is registered.

    Attributes:
        mapping: which field each of its columns holds, by the column's place from 0, as JSON.
        state: ``checked``, ``running``, ``done``.
        total: how many rows were to be registered when it began.
        done: how many are.
    """

    __tablename__ = "ledger_imports"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    mapping: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    total: Mapped[int]
    done: Mapped[int]
    actor: Mapped[str]
    at: Mapped[datetime]


class ImportedRow(Base):
    """A row that was registered, by the digest of what it says: the same row twice is one matter."""

    __tablename__ = "imported_rows"

    digest: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str]
