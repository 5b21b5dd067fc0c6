"""What can be done with accounts: create, disable, sign in, sign out, recognise.

Services work inside a unit of work that the caller opened and never commit. ``login`` alone takes the
database: checking a password is slow on purpose, and nobody else's write may wait for it.
"""

import hashlib
import math
import secrets
import unicodedata
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from node.accounts import second_factor
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.accounts.rules import AccountRules, acceptable
from node.accounts.tables import Token, TokenKind, User, UserRole
from node.accounts.throttle import Throttle
from node.accounts.uses import Uses
from node.audit import trail
from node.clock import Clock
from node.db import Database
from node.i18n import N_
from node.problems import Problem

TOKEN_BYTES = 32
"""256 random bits; nobody guesses one, and so a plain SHA-256 is enough to store it."""

TOKEN_PREFIX = "ld_"  # noqa: S105 - marks our tokens, so that secret scanners find a leaked one

PENDING_FOR = timedelta(minutes=5)
"""To find the telephone and type its code."""

RULES = AccountRules()
"""Where nothing is set."""

USERNAME_MAX = 64
"""Characters of a user name; it is typed at every login."""

DISPLAY_NAME_MAX = 64
"""Characters of a person's name as it stands in the log."""

_USERNAME_PUNCTUATION = frozenset("._-@")


class Owed(StrEnum):
    """What somebody who is signed in must do before anything else; the type of the problem that says so."""

    PASSWORD = "password-change-required"  # noqa: S105 - a problem's type
    SECOND_FACTOR = "second-factor-required"


@dataclass(frozen=True)
class Caller:
    """The person behind a request; ``program`` if it is one of their programs."""

    user_id: str
    username: str
    display_name: str
    roles: frozenset[Role]
    session_key: str = ""
    """The hash of the token that they came with."""
    owes: Owed | None = None
    program: bool = False


@dataclass(frozen=True)
class Issued:
    """A fresh token. This is the only place and time where it is in the clear; ``kind`` may be ``pending``."""

    token: str = field(repr=False)
    expires_at: datetime
    kind: TokenKind = TokenKind.token


_GOOD_AS: Mapping[TokenKind | None, tuple[TokenKind | None, ...]] = {
    TokenKind.token: (TokenKind.token, TokenKind.program),
    None: (TokenKind.token, TokenKind.program, TokenKind.session),
}
"""What is taken where a token of this kind, or of any, is asked for; any is never a pending one."""


@dataclass(frozen=True)
class _Verified:
    """A user whose password was right, and the hash that it was checked against."""

    user_id: str
    password_hash: str = field(repr=False)
    has_second_factor: bool


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
    must_change: bool = True,
    rules: AccountRules = RULES,
) -> User:
    """Create an account.

    Args:
        session: the unit of work.
        clock: the center's.
        hasher: the center's.
        username: the name to sign in with.
        display_name: the name that stands in logs.
        password: the first one.
        roles: one at least.
        must_change: whether the person must choose another password first; False only where nobody else knows it.
        rules: what is asked of passwords here.

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
        password_hash=hasher.hash(acceptable(password, name, rules)),
        password_set_at=clock.now(),
        must_change=must_change,
        totp_secret=None,
        totp_step=None,
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
    user = find_user(session, username)
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
    user = find_user(session, username)
    user.disabled_at = None
    return user


def set_roles(session: Session, username: str, roles: Collection[Role]) -> User:
    """Give an account other roles. Whoever is signed in signs in anew; tokens of programs keep what is left of theirs.

    Raises:
        Problem: 404 ``not-found``; 409 ``last-admin``; 422 ``invalid`` without any role.
    """
    user = find_user(session, username)
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
    if set(roles) != user.roles:
        user.role_rows = [UserRole(role=role.value) for role in sorted(set(roles))]
        _forget_tokens(session, user, but=TokenKind.program)
    return user


def set_password(
    session: Session,
    clock: Clock,
    hasher: PasswordHasher,
    username: str,
    password: str,
    *,
    must_change: bool = True,
    rules: AccountRules = RULES,
) -> User:
    """Replace a password; all tokens of the user end. ``must_change`` as in ``create_user``.

    Raises:
        Problem: 404 ``not-found``; 422 ``invalid`` for a password that is too short, too long or guessed first.
    """
    user = find_user(session, username)
    user.password_hash = hasher.hash(acceptable(password, user.username, rules))
    user.password_set_at, user.must_change = clock.now(), must_change
    _forget_tokens(session, user)
    return user


def change_own_password(
    database: Database,
    clock: Clock,
    hasher: PasswordHasher,
    caller: Caller,
    *,
    present: str,
    new: str,
    rules: AccountRules = RULES,
    address: str = "",
) -> None:
    """A person's own new password; all their tokens end, this one too.

    Raises:
        Problem: 422 ``bad-credentials`` for a wrong present one, ``invalid`` for the new one.
    """
    check_password(database, hasher, caller.username, present)
    if new == present:
        raise Problem(422, N_("invalid"), N_("The new password is the present one; choose another."))
    with database.write() as session:
        set_password(session, clock, hasher, caller.username, new, must_change=False, rules=rules)
        actor = trail.Actor(caller.username, address)
        trail.record(session, clock.now(), actor, trail.Event.PASSWORD_CHANGED, subject=caller.username)


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
    code: str = "",
    rules: AccountRules = RULES,
) -> Issued:
    """Give out a token to whoever knows the password, and has the second factor if the account wants one.

    A browser that gives no code gets a ``pending`` token, good for nothing but ``confirm``.

    Raises:
        Problem: 401 ``bad-credentials``, the same for an unknown name, a wrong password, a disabled account;
            401 ``second-factor-needed`` and ``bad-code``; 429 ``too-many-tries`` after several failures, until the
            pause is over.
    """
    tried = normal_username(username) or username[:USERNAME_MAX]
    if pause := math.ceil(throttle.wait(tried, address)):
        raise _too_many(pause)
    with database.read() as session:
        known = _credentials(session, username)
    if not hasher.verify(known.password_hash if known else None, password) or known is None:
        throttle.failed(tried, address)
        with database.write() as session:
            # A name that nobody has may be a password typed into the wrong field.
            name = normal_username(username) or "" if known is not None else ""
            trail.record(session, clock.now(), trail.Actor(name or "?", address), trail.Event.LOGIN_FAILED)
        raise _bad_credentials()
    if known.has_second_factor and not code:
        if kind is not TokenKind.session:
            raise Problem(401, N_("second-factor-needed"), N_("Send the code of your second factor, too."))
        kind = TokenKind.pending
    elif known.has_second_factor:
        _check_code(database, clock, throttle, known.user_id, code, tried=tried, address=address)
    throttle.succeeded(tried, address)
    better_hash = hasher.hash(password) if hasher.outdated(known.password_hash) else known.password_hash
    with database.write() as session:
        issued = _issue(session, clock, known, better_hash, kind, rules)
        if kind is not TokenKind.pending:
            actor = trail.Actor(normal_username(username) or "", address)
            trail.record(session, clock.now(), actor, trail.Event.LOGGED_IN, kind=kind.value)
        return issued


def confirm(
    database: Database,
    clock: Clock,
    throttle: Throttle,
    *,
    token: str,
    code: str,
    address: str = "",
    rules: AccountRules = RULES,
) -> Issued:
    """Change a browser's pending token for a session, by the code of the second factor.

    Raises:
        Problem: 401 ``unauthenticated`` where it has ended; 401 ``bad-code``; 429 ``too-many-tries``.
    """
    with database.read() as session:
        caller = authenticate(session, clock, token, TokenKind.pending)
        known = _credentials(session, caller.username) if caller is not None else None
    if caller is None or known is None:
        raise Problem(401, N_("unauthenticated"), N_("Sign in again: that took too long."))
    _check_code(database, clock, throttle, caller.user_id, code, tried=caller.username, address=address)
    throttle.succeeded(caller.username, address)
    with database.write() as session:
        logout(session, token)
        issued = _issue(session, clock, known, known.password_hash, TokenKind.session, rules)
        actor = trail.Actor(caller.username, address)
        trail.record(session, clock.now(), actor, trail.Event.LOGGED_IN, kind=TokenKind.session.value)
        return issued


def _check_code(
    database: Database, clock: Clock, throttle: Throttle, user_id: str, code: str, *, tried: str, address: str
) -> None:
    """The code is good, and used up.

    Raises:
        Problem: 401 ``bad-code``; 429 ``too-many-tries``.
    """
    if pause := math.ceil(throttle.wait(tried, address)):
        raise _too_many(pause)
    with database.write() as session:
        good = second_factor.use_code(session, clock, user_id, code)
        if not good:
            trail.record(session, clock.now(), trail.Actor(tried, address), trail.Event.LOGIN_FAILED, kind="code")
    if not good:
        throttle.failed(tried, address)
        raise Problem(401, N_("bad-code"), N_("This code is wrong, or was used already."))


def check_password(database: Database, hasher: PasswordHasher, username: str, password: str) -> None:
    """Make sure that whoever is signed in knows the account's password.

    Raises:
        Problem: 422 ``bad-credentials``.
    """
    with database.read() as session:
        known = _credentials(session, username)
    if not hasher.verify(known.password_hash if known else None, password):
        raise Problem(422, N_("bad-credentials"), N_("The present password is wrong."))


def authenticate(
    session: Session,
    clock: Clock,
    token: str,
    kind: TokenKind | None = None,
    rules: AccountRules = RULES,
    uses: Uses | None = None,
) -> Caller | None:
    """The person to whom this token was given; None if unknown, expired, idle, of another kind, or disabled.

    A program's token is as good as one of ``POST /login``; its roles count as far as its owner still has them.
    """
    if not token.startswith(TOKEN_PREFIX):
        return None
    now, key = clock.now(), _digest(token)
    kinds = _GOOD_AS.get(kind, (kind,))
    row = session.execute(
        select(Token, User)
        .join(User, Token.user_id == User.id)
        .options(selectinload(User.role_rows))
        .where(Token.hash == key, Token.expires_at > now, Token.kind.in_(kinds), User.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    found, user = row
    used = found.used_at if uses is None else uses.last(key, found.used_at)
    if found.kind == TokenKind.session and now - used > rules.idle:
        return None
    roles = user.roles if found.roles is None else user.roles & frozenset(map(Role, found.roles.split()))
    owes = None if found.kind == TokenKind.program else _owed(user, rules, now)
    return Caller(user.id, user.username, user.display_name, roles, key, owes, found.kind == TokenKind.program)


def _owed(user: User, rules: AccountRules, now: datetime) -> Owed | None:
    if user.must_change or rules.password_is_old(user.password_set_at, now):
        return Owed.PASSWORD
    if user.totp_secret is None and rules.needs_second_factor(user.roles):
        return Owed.SECOND_FACTOR
    return None


def logout(session: Session, token: str) -> None:
    """End this token; an unknown one is ended already."""
    session.execute(delete(Token).where(Token.hash == _digest(token)))


# ---------------------------------------------------------------- inside


def find_user(session: Session, username: str) -> User:
    """An account, roles loaded.

    Raises:
        Problem: 404 ``not-found``.
    """
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


def _forget_tokens(session: Session, user: User, *, but: TokenKind | None = None) -> None:
    """End all tokens. The user's row is written, hence locked, first: no login slips in (see ``_issue``)."""
    session.flush()
    session.execute(update(User).where(User.id == user.id).values(username=user.username))
    kept = [] if but is None else [Token.kind != but.value]
    session.execute(delete(Token).where(Token.user_id == user.id, *kept))


def _credentials(session: Session, username: str) -> _Verified | None:
    name = normal_username(username)
    row = session.execute(
        select(User.id, User.password_hash, User.totp_secret.is_not(None).label("second")).where(
            User.username == (name or ""), User.disabled_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else _Verified(row.id, row.password_hash, row.second)


def _issue(
    session: Session, clock: Clock, verified: _Verified, password_hash: str, kind: TokenKind, rules: AccountRules
) -> Issued:
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
    lifetime = PENDING_FOR if kind is TokenKind.pending else rules.lifetime
    return new_token(session, clock, verified.user_id, kind, clock.now() + lifetime)


def new_token(
    session: Session,
    clock: Clock,
    user_id: str,
    kind: TokenKind,
    expires_at: datetime,
    *,
    name: str | None = None,
    roles: Collection[Role] | None = None,
) -> Issued:
    """Store a fresh token; its plain text is in the answer only."""
    now = clock.now()
    issued = Issued(TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES), expires_at, kind)
    session.add(
        Token(
            hash=_digest(issued.token),
            user_id=user_id,
            kind=kind.value,
            created_at=now,
            expires_at=expires_at,
            used_at=now,
            name=name,
            roles=" ".join(sorted(role.value for role in set(roles))) if roles is not None else None,
        )
    )
    return issued


def _too_many(pause: int) -> Problem:
    return Problem(
        429, N_("too-many-tries"), N_("Too many failed sign-ins. Try again in {retry_after} s."), retry_after=pause
    )


def _bad_credentials() -> Problem:
    return Problem(401, N_("bad-credentials"), N_("User name or password is wrong."))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
