"""What can be done with accounts: create, disable, sign in, sign out, recognise.

Services work inside a unit of work that the caller opened and never commit. ``login`` alone takes the
database: checking a password is slow on purpose, and nobody else's write may wait for it.
"""

import hashlib
import math
import secrets
import unicodedata
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.accounts.tables import Token, TokenKind, User, UserRole
from node.accounts.throttle import Throttle
from node.accounts.weak import has_name, is_common
from node.audit import trail
from node.clock import Clock
from node.db import Database
from node.i18n import N_
from node.problems import Problem

TOKEN_LIFETIME = timedelta(hours=12)
"""One working day: a token stolen in the evening is worth nothing the next morning."""

TOKEN_BYTES = 32
"""256 random bits; nobody guesses one, and so a plain SHA-256 is enough to store it."""

TOKEN_PREFIX = "ld_"  # noqa: S105 - marks our tokens, so that secret scanners find a leaked one

USERNAME_MAX = 64
"""Characters of a user name; it is typed at every login."""

DISPLAY_NAME_MAX = 64
"""Characters of a person's name as it stands in the log."""

PASSWORD_MIN = 8
"""Characters of a password (OWASP ASVS 5, 6.2.1)."""

PASSWORD_MAX = 256
"""Characters of a password: room for a phrase (ASVS asks for 64 at least), an end to the work of hashing."""

_USERNAME_PUNCTUATION = frozenset("._-@")


@dataclass(frozen=True)
class Caller:
    """The person behind a request."""

    user_id: str
    username: str
    display_name: str
    roles: frozenset[Role]


@dataclass(frozen=True)
class Issued:
    """A fresh token. This is the only place and time where it is in the clear."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class _Verified:
    """A user whose password was right, and the hash that it was checked against."""

    user_id: str
    password_hash: str = field(repr=False)


# ---------------------------------------------------------------- users


def create_user(
    session: Session,
    clock: Clock,
    hasher: PasswordHasher,
    *,
    username: str,
    display_name: str,
    password: str,
    roles: Collection[Role],
) -> User:
    """Create an account.

    Raises:
        Problem: 409 ``user-exists``; 422 ``invalid`` for a name, password or set of roles that can't be.
    """
    name = normal_username(username)
    if name is None:
        raise Problem(
            422,
            N_("invalid"),
            N_("A user name has up to {limit} letters, digits and the signs . _ - @"),
            limit=USERNAME_MAX,
        )
    shown = display_name.strip()
    if not 1 <= len(shown) <= DISPLAY_NAME_MAX or not shown.isprintable():
        raise Problem(422, N_("invalid"), N_("A person's name has 1 to {limit} characters."), limit=DISPLAY_NAME_MAX)
    if not roles:
        raise Problem(422, N_("invalid"), N_("A user needs at least one role."))
    user = User(
        id=str(uuid.uuid4()),
        username=name,
        display_name=shown,
        password_hash=hasher.hash(_acceptable(password, name)),
        disabled_at=None,
        created_at=clock.now(),
        role_rows=[UserRole(role=role.value) for role in sorted(set(roles))],
    )
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        raise Problem(409, N_("user-exists"), N_("There is a user {username} already."), username=name) from None
    return user


def list_users(session: Session) -> Sequence[User]:
    """All accounts by user name, roles loaded."""
    return session.scalars(select(User).options(selectinload(User.role_rows)).order_by(User.username)).all()


def disable_user(session: Session, clock: Clock, username: str) -> User:
    """Lock an account; whoever is signed in with it is out at the next request. Twice is as good as once.

    Raises:
        Problem: 404 ``not-found``; 409 ``last-admin`` for the only one who could undo it.
    """
    user = _find(session, username)
    if user.disabled_at is None:
        if Role.admin in user.roles and _active_admins(session) == 1:
            raise Problem(
                409,
                N_("last-admin"),
                N_("{username} is the last active administrator."),
                username=user.username,
            )
        user.disabled_at = clock.now()
    _forget_tokens(session, user)
    return user


def enable_user(session: Session, username: str) -> User:
    """Unlock an account.

    Raises:
        Problem: 404 ``not-found``.
    """
    user = _find(session, username)
    user.disabled_at = None
    return user


def set_roles(session: Session, username: str, roles: Collection[Role]) -> User:
    """Give an account other roles; they count from the next request on.

    Raises:
        Problem: 404 ``not-found``; 409 ``last-admin``; 422 ``invalid`` without any role.
    """
    user = _find(session, username)
    if not roles:
        raise Problem(422, N_("invalid"), N_("A user needs at least one role."))
    loses_admin = Role.admin in user.roles and Role.admin not in roles and user.disabled_at is None
    if loses_admin and _active_admins(session) == 1:
        raise Problem(
            409,
            N_("last-admin"),
            N_("{username} is the last active administrator."),
            username=user.username,
        )
    user.role_rows = [UserRole(role=role.value) for role in sorted(set(roles))]
    return user


def set_password(session: Session, hasher: PasswordHasher, username: str, password: str) -> None:
    """Replace a password; all tokens of the user end.

    Raises:
        Problem: 404 ``not-found``; 422 ``invalid`` for a password that is too short, too long or guessed first.
    """
    user = _find(session, username)
    user.password_hash = hasher.hash(_acceptable(password, user.username))
    _forget_tokens(session, user)


def normal_username(username: str) -> str | None:
    """The form in which a user name is stored and looked up; None if no user can have it."""
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).strip().casefold())
    if not 1 <= len(name) <= USERNAME_MAX:
        return None
    return name if all(sign.isalnum() or sign in _USERNAME_PUNCTUATION for sign in name) else None


# ---------------------------------------------------------------- tokens


def login(
    database: Database,
    clock: Clock,
    hasher: PasswordHasher,
    throttle: Throttle,
    *,
    username: str,
    password: str,
    kind: TokenKind = TokenKind.token,
    address: str = "",
) -> Issued:
    """Give out a token to whoever knows the password.

    Raises:
        Problem: 401 ``bad-credentials``, the same for an unknown name, a wrong password, a disabled account; 429
            ``too-many-tries`` after several failures, until the pause is over.
    """
    tried = normal_username(username) or username[:USERNAME_MAX]
    if pause := math.ceil(throttle.wait(tried, address)):
        raise Problem(
            429, N_("too-many-tries"), N_("Too many failed sign-ins. Try again in {retry_after} s."), retry_after=pause
        )
    with database.read() as session:
        known = _credentials(session, username)
    if not hasher.verify(known.password_hash if known else None, password) or known is None:
        throttle.failed(tried, address)
        with database.write() as session:
            # A name that nobody has may be a password typed into the wrong field.
            name = normal_username(username) or "" if known is not None else ""
            trail.record(session, clock.now(), trail.Actor(name or "?", address), trail.Event.LOGIN_FAILED)
        raise _bad_credentials()
    throttle.succeeded(tried, address)
    better_hash = hasher.hash(password) if hasher.outdated(known.password_hash) else known.password_hash
    with database.write() as session:
        issued = _issue(session, clock, known, better_hash, kind)
        actor = trail.Actor(normal_username(username) or "", address)
        trail.record(session, clock.now(), actor, trail.Event.LOGGED_IN, kind=kind.value)
        return issued


def check_password(database: Database, hasher: PasswordHasher, username: str, password: str) -> None:
    """Make sure that whoever is signed in knows the account's password.

    Raises:
        Problem: 422 ``bad-credentials``.
    """
    with database.read() as session:
        known = _credentials(session, username)
    if not hasher.verify(known.password_hash if known else None, password):
        raise Problem(422, N_("bad-credentials"), N_("The present password is wrong."))


def authenticate(session: Session, clock: Clock, token: str, kind: TokenKind | None = None) -> Caller | None:
    """The person to whom this token was given; None if unknown, expired, of another kind or disabled."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    query = (
        select(User.id, User.username, User.display_name, UserRole.role)
        .join(Token, Token.user_id == User.id)
        .outerjoin(UserRole, UserRole.user_id == User.id)
        .where(Token.hash == _digest(token), Token.expires_at > clock.now(), User.disabled_at.is_(None))
    )
    if kind is not None:
        query = query.where(Token.kind == kind.value)
    rows = session.execute(query).all()
    if not rows:
        return None
    user_id, username, display_name, _ = rows[0]
    return Caller(user_id, username, display_name, frozenset(Role(row.role) for row in rows if row.role))


def logout(session: Session, token: str) -> None:
    """End this token; an unknown one is ended already."""
    session.execute(delete(Token).where(Token.hash == _digest(token)))


@dataclass(frozen=True)
class OpenSession:
    """A sign-in that has not ended; ``ours`` is the one that asks."""

    key: str
    kind: str
    created_at: datetime
    expires_at: datetime
    ours: bool


def open_sessions(session: Session, clock: Clock, user_id: str, token: str) -> list[OpenSession]:
    """A person's sign-ins, the newest first. ``key`` names one, and can't be used to sign in."""
    ours = _digest(token)
    rows = session.scalars(
        select(Token).where(Token.user_id == user_id, Token.expires_at > clock.now()).order_by(Token.created_at.desc())
    )
    return [OpenSession(row.hash, row.kind, row.created_at, row.expires_at, row.hash == ours) for row in rows]


def end_session(session: Session, user_id: str, key: str) -> None:
    """End one of a person's sign-ins; one that is none of theirs, or ended already, stays as it is."""
    session.execute(delete(Token).where(Token.user_id == user_id, Token.hash == key))


def purge_tokens(session: Session, clock: Clock) -> int:
    """Forget expired tokens; returns how many."""
    gone = session.scalars(delete(Token).where(Token.expires_at <= clock.now()).returning(Token.hash)).all()
    return len(gone)


# ---------------------------------------------------------------- inside


def _find(session: Session, username: str) -> User:
    name = normal_username(username)
    query = select(User).options(selectinload(User.role_rows)).where(User.username == name)
    user = session.scalars(query).one_or_none() if name else None
    if user is None:
        raise Problem(404, N_("not-found"), N_("There is no such user."))
    return user


def _active_admins(session: Session) -> int:
    return session.scalars(
        select(func.count())
        .select_from(User)
        .join(UserRole, UserRole.user_id == User.id)
        .where(UserRole.role == Role.admin.value, User.disabled_at.is_(None))
    ).one()


def _forget_tokens(session: Session, user: User) -> None:
    """End all tokens. The user's row is written, hence locked, first: no login slips in (see ``_issue``)."""
    session.flush()
    session.execute(delete(Token).where(Token.user_id == user.id))


def _credentials(session: Session, username: str) -> _Verified | None:
    name = normal_username(username)
    row = session.execute(
        select(User.id, User.password_hash).where(User.username == (name or ""), User.disabled_at.is_(None))
    ).one_or_none()
    return None if row is None else _Verified(row.id, row.password_hash)


def _issue(session: Session, clock: Clock, verified: _Verified, password_hash: str, kind: TokenKind) -> Issued:
    """Store a fresh token, unless the account was disabled or its password changed since it was checked."""
    same = (
        User.id == verified.user_id,
        User.password_hash == verified.password_hash,
        User.disabled_at.is_(None),
    )
    # Always an UPDATE, even of nothing: it locks the row against a disabling at this very moment.
    locked = update(User).where(*same).values(password_hash=password_hash).returning(User.id)
    if session.scalar(locked) is None:
        raise _bad_credentials()
    issued = Issued(TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES), clock.now() + TOKEN_LIFETIME)
    session.add(
        Token(
            hash=_digest(issued.token),
            user_id=verified.user_id,
            kind=kind.value,
            created_at=clock.now(),
            expires_at=issued.expires_at,
        )
    )
    return issued


def _acceptable(password: str, username: str) -> str:
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Problem(
            422,
            N_("invalid"),
            N_("A password has {shortest} to {limit} characters."),
            shortest=PASSWORD_MIN,
            limit=PASSWORD_MAX,
        )
    if is_common(password):
        raise Problem(422, N_("invalid"), N_("This password is one of the most common ones; choose another."))
    if has_name(password, username):
        raise Problem(422, N_("invalid"), N_("A password must not contain the user name."))
    return password


def _bad_credentials() -> Problem:
    return Problem(401, N_("bad-credentials"), N_("User name or password is wrong."))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
