"""What this center asks of passwords and sign-ins.

The policy is length first (NIST SP 800-63B): eight characters, no common one, no user name in it. Places that must
demand more by their own rules (等级保护) set ``password_rules = "mixed"``: three kinds of signs, and a new one every
90 days.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from node.accounts.roles import Role
from node.accounts.weak import has_name, is_common
from node.i18n import N_
from node.problems import Problem

PASSWORD_MIN: Final = 8
"""Characters of a password (OWASP ASVS 5, 6.2.1)."""

PASSWORD_MAX: Final = 256
"""Characters of a password: room for a phrase (ASVS asks for 64 at least), an end to the work of hashing."""

KINDS_MIN: Final = 3
"""Of capitals, small letters, digits and other signs, where passwords must be mixed. Chinese counts as other signs."""

PASSWORD_DAYS: Final = 90
"""Days that a password lasts where passwords must be mixed."""

SECOND_FACTOR_ROLES: Final = frozenset({Role.admin, Role.director})
"""Whose accounts are worth most to a thief: they need a second factor where one is required."""


@dataclass(frozen=True)
class AccountRules:
    """Settings of the table ``[accounts]``.

    Attributes:
        mixed: whether passwords must be of several kinds of signs, and changed every ``PASSWORD_DAYS``.
        second_factor: whether administrators and directors need a second factor.
        idle: after so long without a person a session ends.
        lifetime: after so long every sign-in ends.
    """

    mixed: bool = False
    second_factor: bool = False
    idle: timedelta = timedelta(minutes=30)
    lifetime: timedelta = timedelta(hours=12)

    def password_is_old(self, set_at: datetime, now: datetime) -> bool:
        """Whether a password must be changed for its age."""
        return self.mixed and now - set_at > timedelta(days=PASSWORD_DAYS)

    def needs_second_factor(self, roles: frozenset[Role]) -> bool:
        """Whether somebody with these roles must have a second factor."""
        return self.second_factor and not roles.isdisjoint(SECOND_FACTOR_ROLES)


def acceptable(password: str, username: str, rules: AccountRules) -> str:
    """The password, if it may be one.

    Raises:
        Problem: 422 ``invalid``: too short, too long, guessed first, or of too few kinds of signs.
    """
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
    if rules.mixed and len({_kind(sign) for sign in password}) < KINDS_MIN:
        raise Problem(
            422,
            N_("invalid"),
            N_("A password needs {kinds} of these here: capitals, small letters, digits, other signs."),
            kinds=KINDS_MIN,
        )
    return password


def _kind(sign: str) -> str:
    category = unicodedata.category(sign)
    return category if category in {"Lu", "Ll", "Nd"} else "other"
