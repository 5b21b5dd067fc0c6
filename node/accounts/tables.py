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
    session = "session"


class User(Base):
    """A person who works at this center."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    """A random UUID as text; log entries name their actor by display name, accounts are joined by this."""
    username: Mapped[str] = mapped_column(unique=True)
    """Normal form (``node.accounts.service.normal_username``), so that case and width don't matter."""
    display_name: Mapped[str]
    password_hash: Mapped[str]
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


class Token(Base):
    """A token that was given out. Only its hash is here: who steals the database can't sign in with it.

    There is no "last used": it would make writes of reads, and a center whose disk is full or read-only must
    still show its cases.
    """

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the token in hex. The token is random, so a slow hash would add nothing."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
