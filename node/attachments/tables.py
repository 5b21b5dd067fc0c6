"""Tables of attachments: which files the cases name, and which of them are here."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base


class AttachmentRow(Base):
    """A file that a case names, as its log tells it: a projection, written with the entries.

    It says nothing that the log does not say, and neither name nor note: these go with the body of the entry.
    """

    __tablename__ = "attachments"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]
    center: Mapped[str]
    """Who added it, and has its bytes."""


class FileRow(Base):
    """A file that some case of ours names: here, or on its way; once, however many cases name it."""

    __tablename__ = "attachment_files"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    here_at: Mapped[datetime | None] = mapped_column(index=True)
    """When its bytes were found to be what the log says."""
    got: Mapped[int] = mapped_column(default=0)
    """Pieces that came."""
    asked: Mapped[int] = mapped_column(default=0)
    """The last piece that was asked for."""
    asked_of: Mapped[str | None]
    ask_at: Mapped[datetime | None]
    """When somebody is to be asked, the next one or the same again; None lets it be asked at once."""
    tries: Mapped[int] = mapped_column(default=0)
    """How many of those who should have it were asked in vain, or sent what it is not."""
    request_id: Mapped[str | None]
    """Our own request to add it to a case that another center holds."""
