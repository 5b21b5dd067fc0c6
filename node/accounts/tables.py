"""Tables of users, their roles and the tokens they were given."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from node.accounts.roles import Role
from node.db import Base


class TokenKind(StrEnum):
    """Where a token is shown: in an Authorization header, or in the cookie of a browser."""

    token = "token"  # noqa: S105 - a kind, not a secret
    """Given by ``POST /login`` for some hours."""
    session = "session"
    """In the cookie of a browser; ends when nobody uses it."""
    pending = "pending"
    """In the cookie of a browser whose password was right, until the second factor is."""
    program = "program"
    """Made by a person for a program: with a name, fewer roles, and for some months."""


class User(Base):
    """A person who works at this center."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    """A random UUID as text; log entries name their actor by display name, accounts are joined by this."""
    username: Mapped[str] = mapped_column(unique=True)
    """Normal form (``node.accounts.service.normal_username``), so that case and width don't matter."""
    display_name: Mapped[str]
    password_hash: Mapped[str]
    password_set_at: Mapped[datetime]
    must_change: Mapped[bool]
    """Whether somebody else chose the password: nothing else can be done before it is changed."""
    totp_secret: Mapped[str | None]
    """The secret of the second factor (RFC 6238), base32; None without one."""
    totp_step: Mapped[int | None]
    """The last step of 30 s whose code was taken: no code works twice."""
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    role_rows: Mapped[list["UserRole"]] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of this user; load ``role_rows`` with it."""
        return frozenset(Role(row.role) for row in self.role_rows)


class UserRole(Base):
    """One role of one user."""

    __tablename__ = "user_roles"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class RecoveryCode(Base):
    """A code that stands in for the second factor once. Only its hash is here."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 in hex of 80 random bits."""


class Token(Base):
    """A token that was given out. Only its hash is here: who steals the database can't sign in with it.

    When it was last used is kept in memory (``node.accounts.uses``) and written at most once a minute, beside the
    requests: reading writes nothing, and a center whose disk is full still shows its cases.
    """

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the token in hex. The token is random, so a slow hash would add nothing."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime]
    """When a person last did something with it; of a session, up to a minute late."""
    name: Mapped[str | None]
    """What a program's token is for."""
    roles: Mapped[str | None]
    """The roles that a program's token is limited to, with spaces between; None: all of its owner's."""
