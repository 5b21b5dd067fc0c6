"""A person's sign-ins, as they and the administrator see them; and the tokens that they make for programs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from node.accounts.roles import Role
from node.accounts.service import Caller, Issued, new_token
from node.accounts.tables import Token, TokenKind
from node.accounts.uses import Uses
from node.clock import Clock
from node.i18n import N_
from node.problems import Problem

PROGRAM_DAYS_MAX: Final = 366
"""Days that a program's token lasts at most: who has forgotten it for a year doesn't need it."""

PROGRAM_NAME_MAX: Final = 64


@dataclass(frozen=True)
class OpenSession:
    """A sign-in that has not ended; ``ours`` is the one that asks, ``name`` and ``roles`` are those of a program."""

    key: str
    kind: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime
    ours: bool
    name: str | None
    roles: tuple[str, ...]


def open_sessions(session: Session, clock: Clock, caller: Caller, *, uses: Uses, idle: timedelta) -> list[OpenSession]:
    """A person's sign-ins, the newest first. ``key`` names one, and can't be used to sign in."""
    now = clock.now()
    rows = session.scalars(
        select(Token)
        .where(Token.user_id == caller.user_id, Token.expires_at > now, Token.kind != TokenKind.pending.value)
        .order_by(Token.created_at.desc())
    )
    found = [
        OpenSession(
            key=row.hash,
            kind=row.kind,
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=uses.last(row.hash, row.used_at),
            ours=row.hash == caller.session_key,
            name=row.name,
            roles=tuple(row.roles.split()) if row.roles is not None else (),
        )
        for row in rows
    ]
    return [one for one in found if one.kind != TokenKind.session or now - one.used_at <= idle]


def make_token(
    session: Session, clock: Clock, caller: Caller, *, name: str, roles: Collection[Role], days: int
) -> Issued:
    """A token for a program: good at this center, for some of its owner's roles, for some days.

    Raises:
        Problem: 403 ``forbidden`` for a program; 422 ``invalid`` for a name, roles or days that can't be.
    """
    if caller.program:
        raise Problem(403, N_("forbidden"), N_("Only a person makes tokens, not one of their programs."))
    shown = name.strip()
    if not 1 <= len(shown) <= PROGRAM_NAME_MAX or not shown.isprintable():
        raise Problem(422, N_("invalid"), N_("Say in 1 to {limit} characters what it is for."), limit=PROGRAM_NAME_MAX)
    if not 1 <= days <= PROGRAM_DAYS_MAX:
        raise Problem(422, N_("invalid"), N_("A token lasts 1 to {limit} days."), limit=PROGRAM_DAYS_MAX)
    if not roles or not caller.roles.issuperset(roles):
        raise Problem(422, N_("invalid"), N_("Choose among your own roles, one at least."))
    ends = clock.now() + timedelta(days=days)
    return new_token(session, clock, caller.user_id, TokenKind.program, ends, name=shown, roles=roles)


def end_session(session: Session, user_id: str, key: str) -> bool:
    """End one of a person's sign-ins; one that is none of theirs, or ended already, stays as it is."""
    ended = delete(Token).where(Token.user_id == user_id, Token.hash == key).returning(Token.hash)
    return session.scalar(ended) is not None


def purge_tokens(session: Session, clock: Clock) -> int:
    """Forget expired tokens; returns how many."""
    gone = session.scalars(delete(Token).where(Token.expires_at <= clock.now()).returning(Token.hash)).all()
    return len(gone)
