"""Tables of the audit log: its rows, its head, and the heads that we keep for our children."""

from datetime import datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class AuditRow(Base):
    """One act, written in the transaction of the act and never changed. No party data stands here."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_looked", "case_id", "actor", "number"),
        Index("ix_audit_event", "event", "number"),
        Index("ix_audit_actor", "actor", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    address: Mapped[str]
    event: Mapped[str]
    case_id: Mapped[str | None]
    subject: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    """More about it, as a JSON object of texts."""
    digest: Mapped[str]
    """SHA-256 over the digest of the row before and everything above, in hex."""


class AuditHeadRow(Base):
    """Where the chain ends, where what is kept of it begins, and what the parent was last told; one row."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    digest: Mapped[str]
    base_number: Mapped[int] = mapped_column(default=0)
    base_digest: Mapped[str]
    """The last row that is kept no longer."""
    told_number: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[datetime | None]


class KeptHeadRow(Base):
    """The head of a child's chain as it told it one day. ``broken`` says that it does not fit what it told before."""

    __tablename__ = "kept_audit_heads"

    center: Mapped[str] = mapped_column(primary_key=True)
    told_at: Mapped[datetime] = mapped_column(primary_key=True)
    number: Mapped[int]
    digest: Mapped[str]
    broken: Mapped[bool] = mapped_column(default=False)
