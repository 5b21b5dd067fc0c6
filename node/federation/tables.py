"""Tables of the federation: who we are, whom we know, our neighbours, and what passes between us."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base
from node.vault import SealedBytes
from protocol.wire import ORIGIN


class IdentityRow(Base):
    """Who this database belongs to; one row. ``incarnation`` is drawn anew with every database and every restore."""

    __tablename__ = "identity"

    code: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str]
    former: Mapped[str] = mapped_column(default="[]")
    """Earlier incarnations, newest last, as JSON."""
    restored_at: Mapped[datetime | None]
    """When we last learned that the database went back in time."""
    created_at: Mapped[datetime]


class CertificateRow(Base):
    """A certificate, checked when it came in; all versions are kept, since old signatures must verify for ever."""

    __tablename__ = "certificates"

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    claims: Mapped[str]
    signature: Mapped[str]


class LinkRow(Base):
    """A neighbour. ``direction`` is ``up`` to the parent, ``down`` to a child."""

    __tablename__ = "links"

    peer: Mapped[str] = mapped_column(primary_key=True)
    direction: Mapped[str]
    nkey: Mapped[str | None]
    """Public NKey with which a child connects to our broker."""
    state: Mapped[str] = mapped_column(default="offline")
    stop_reason: Mapped[str | None]
    last_hello_at: Mapped[datetime | None]
    clock_offset: Mapped[float | None]
    """Seconds that the peer's clock is ahead of ours, by its last HELLO."""
    revoked_at: Mapped[datetime | None]
    carried: Mapped[int] = mapped_column(default=0)
    """How many files were carried over this link, counted from the version of the certificate that began it; when it
    changes, a running service begins a new session with the positions of then."""
    refused: Mapped[int] = mapped_column(default=0)
    """Frames of this neighbour that were refused since the link began."""
    refused_at: Mapped[datetime | None]
    limited_until: Mapped[datetime | None]
    """Until when it is not listened to, since it sent too many of them."""
    healing: Mapped[bool] = mapped_column(default=False)
    """Whether we went back in time and the neighbour has not shown yet that we have all of ours again."""


class LaneRow(Base):
    """One lane of a link, outward. Locking this row gives sequence numbers in commit order."""

    __tablename__ = "lanes"

    peer: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    last_seq: Mapped[int] = mapped_column(default=0)
    offered_seq: Mapped[int] = mapped_column(default=0)
    offered_digest: Mapped[bytes] = mapped_column(LargeBinary)
    acked_seq: Mapped[int] = mapped_column(default=0)
    acked_digest: Mapped[bytes] = mapped_column(LargeBinary)
    kept_seq: Mapped[int] = mapped_column(default=0)
    """Sent messages up to here are kept no longer."""
    kept_digest: Mapped[bytes] = mapped_column(LargeBinary, default=ORIGIN)
    healed_to: Mapped[int | None]
    """While our messages come back: up to where; what we have written since stands behind it."""


class InboxRow(Base):
    """One lane of a link, inward: what we have applied.

    It stands apart from the outward row, so that a frame and a person who sends never wait for each other in a circle.
    """

    __tablename__ = "inbox"

    peer: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    applied_seq: Mapped[int] = mapped_column(default=0)
    applied_digest: Mapped[bytes] = mapped_column(LargeBinary)
    peer_incarnation: Mapped[str | None]


_PARKED_ELSEWHERE = text("parked_reason IS NOT NULL")
"""Few messages are; an index of only these costs the others nothing."""


class OutboxRow(Base):
    """A message for a neighbour, kept until its database has it, and after that for the sent log."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_transfer", "case_id", "transfer_epoch"),
        # Partial where that costs no memory: to name PostgreSQL here would load its dialect, 3 MB, in every village.
        Index("ix_outbox_parked", "parked_reason", "queued_at", sqlite_where=_PARKED_ELSEWHERE),
    )

    peer: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(index=True)
    destination: Mapped[str]
    body: Mapped[bytes] = mapped_column(SealedBytes("outbox.body"))
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Digest chain up to this message, where a frame ended with it."""
    case_id: Mapped[str | None]
    """The case, where the message is our own and becomes void with a transfer that is taken back."""
    transfer_epoch: Mapped[int | None]
    """The epoch of the transfer that this message is part of."""
    queued_at: Mapped[datetime]
    receipt_at: Mapped[datetime | None]
    """When the destination said, end to end, that it has applied it."""
    parked_reason: Mapped[str | None]
    """Why the destination could not apply it, as it told; it waits there."""


class ReceivedFrameRow(Base):
    """A frame as it was applied, compressed: what a restored neighbour gets back."""

    __tablename__ = "received_frames"

    peer: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str] = mapped_column(primary_key=True)
    first_seq: Mapped[int] = mapped_column(primary_key=True)
    last_seq: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    payload: Mapped[bytes] = mapped_column(SealedBytes("received_frames.payload"))
    received_at: Mapped[datetime] = mapped_column(index=True)


class ParkedRow(Base):
    """A message that could not be applied: kept, shown with its reason, replayed on request or after an upgrade.

    ``number`` is the order in which messages were parked; clocks may be set back.
    """

    __tablename__ = "parked"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    peer: Mapped[str]
    lane: Mapped[str]
    seq: Mapped[int]
    message_id: Mapped[str | None]
    type: Mapped[str | None]
    case_id: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[str]
    body: Mapped[bytes] = mapped_column(SealedBytes("parked.body"))
    parked_at: Mapped[datetime]


class RecoveryRow(Base):
    """A center that we ask for what it holds of our cases, since our database was lost; see ``node.cases.recovery``.

    The row of our own code says when the recovery began and ended.
    """

    __tablename__ = "recoveries"

    center: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]


class ReseedRow(Base):
    """A center that lost its database and is being told what we hold of its cases; see ``node.cases.reseed``."""

    __tablename__ = "reseeds"

    peer: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str]
    after: Mapped[str]
    """The last case that was told."""
    cases: Mapped[int]
    """How many were told so far."""


class LossRow(Base):
    """What a center that lost its database got back, and which of its matters nobody else held: ours, or a child's."""

    __tablename__ = "losses"

    center: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[str]
    at: Mapped[datetime]
    cases: Mapped[int]
    lost: Mapped[str]
    """Running numbers by year, as JSON."""


class SentBackupRow(Base):
    """A backup of ours that was sent to the parent."""

    __tablename__ = "sent_backups"

    id: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    size: Mapped[int]
    parts: Mapped[int]
    """Zero where it was too large to be sent."""
    last_message: Mapped[str | None]
    """Id of the message with its last piece; when the parent's database has that, it has all."""


class KeptBackupRow(Base):
    """A sealed backup that we keep for a child, or got back from our parent; its pieces are files."""

    __tablename__ = "kept_backups"

    center: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    parts: Mapped[int]
    got: Mapped[int]
    size: Mapped[int]
    complete_at: Mapped[datetime | None]
