"""``Idempotency-Key``: a POST that is sent again has its effect once and gets the answer that it got before.

Theory of operation. The answer is stored in the transaction of the act itself, so no crash can part them:
both are there or neither. A refused act leaves nothing behind, hence a repetition is judged anew. The key is
claimed before the act by inserting its row; of two requests at the same instant the second waits (on SQLite
for the write transaction, on PostgreSQL at the unique index) and then finds the first one's answer. Keys
belong to a user and last a day.

In a route::

    def note(caller: ..., attempt: Annotated[Attempt, Depends(attempt)], ...) -> Response:
        with center.database.write() as session:
            if replay := attempt.begin(session, center.clock, caller):
                return replay
            ...
            return attempt.answer(session, case_document, 200)
"""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Header, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, CursorResult, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from node.accounts.service import Caller
from node.clock import Clock
from node.db import Base, before_commit
from node.i18n import N_
from node.problems import Problem
from node.vault import SealedBytes

KEPT = timedelta(hours=24)
"""How long an answer is kept: a village that was offline overnight still gets it in the morning."""

KEY_MAX = 255
"""Characters of a key; clients send a UUID."""

REPLAYED_HEADER = "Idempotency-Replayed"


class StoredAnswer(Base):
    """A claimed key and the answer that was given under it."""

    __tablename__ = "idempotency"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    """Method and path with query, as requested."""
    digest: Mapped[str]
    """SHA-256 of the request's body."""
    status: Mapped[int | None]
    """None only inside the transaction that claims the key."""
    body: Mapped[bytes | None] = mapped_column(SealedBytes("idempotency.body"))
    created_at: Mapped[datetime] = mapped_column(index=True)


class Attempt:
    """One POST that may have come before. Without a key, every attempt is the first."""

    def __init__(self, key: str | None, route: str, body: bytes) -> None:
        self.key = key
        self._route = route
        self._digest = hashlib.sha256(body).hexdigest()
        self._user_id = ""
        self._answered = False

    def without_secrets(self, body: bytes) -> "Attempt":
        """This attempt, recognised by ``body``: a stored SHA-256 of a password invites guessing."""
        return Attempt(self.key, self._route, body)

    def begin(self, session: Session, clock: Clock, caller: Caller) -> Response | None:
        """Claim the key, first thing in the unit of work; the stored answer if it was claimed before.

        Raises:
            Problem: 422 ``idempotency-key-reused`` if it was claimed with another request.
        """
        if self.key is None:
            return None
        self._user_id = caller.user_id
        now = clock.now()
        session.execute(delete(StoredAnswer).where(self._mine(), StoredAnswer.created_at < now - KEPT))
        claim = insert(StoredAnswer).values(
            user_id=self._user_id, key=self.key, route=self._route, digest=self._digest, created_at=now
        )
        try:
            with session.begin_nested():
                session.execute(claim)
        except IntegrityError:
            return self._replay(session)
        before_commit(session, "idempotency", self._must_be_answered)
        return None

    def answer(self, session: Session, content: BaseModel | bytes, status: int = 200) -> Response:
        """Store the answer beside the act, and give it."""
        body = content if isinstance(content, bytes) else content.model_dump_json(by_alias=True).encode()
        if self.key is not None:
            session.execute(update(StoredAnswer).where(self._mine()).values(status=status, body=body))
        self._answered = True
        return Response(body, status, media_type="application/json")

    def _mine(self) -> ColumnElement[bool]:
        return and_(StoredAnswer.user_id == self._user_id, StoredAnswer.key == self.key)

    def _replay(self, session: Session) -> Response:
        row = session.execute(
            select(StoredAnswer.route, StoredAnswer.digest, StoredAnswer.status, StoredAnswer.body).where(self._mine())
        ).one()
        if (row.route, row.digest) != (self._route, self._digest):
            raise Problem(
                422,
                N_("idempotency-key-reused"),
                N_("This Idempotency-Key came with another request before; use a new key."),
            )
        assert row.status is not None
        return Response(row.body, row.status, {REPLAYED_HEADER: "true"}, media_type="application/json")

    def _must_be_answered(self, session: Session) -> None:
        """A claimed key without answer would block every repetition."""
        del session
        assert self._answered, "Attempt.begin without Attempt.answer"


async def attempt(
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=KEY_MAX)] = None,
) -> Attempt:
    """The dependency that a POST route takes its ``Attempt`` from."""
    path = request.url.path
    route = f"{request.method} {path}?{request.url.query}" if request.url.query else f"{request.method} {path}"
    return Attempt(idempotency_key, route, await request.body())


def purge(session: Session, clock: Clock) -> int:
    """Forget answers older than ``KEPT``; returns how many."""
    gone = session.execute(delete(StoredAnswer).where(StoredAnswer.created_at < clock.now() - KEPT))
    assert isinstance(gone, CursorResult)
    return gone.rowcount
