"""``user add|list|disable|password``: accounts, for whoever may read the data directory."""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from node.accounts import second_factor, service
from node.accounts.roles import ROLE_NAMES, Role
from node.audit.trail import COMMAND_LINE, Event, record
from node.commands.opened import opened
from node.commands.terminal import language, say, show_json, show_table, word
from node.i18n import N_, translate

GENERATED_BYTES = 9
"""Random bytes of a password that the command makes up: 12 characters, 72 bits."""


def add(
    directory: Path,
    username: str,
    *,
    roles: Sequence[Role],
    display_name: str | None,
    from_stdin: bool,
    generate: bool,
    stays: bool,
) -> None:
    """Create an account; the password is asked for, read from standard input, or made up and shown once.

    ``stays``: the person need not choose another one first; for programs and tests that type it themselves.
    """
    password = _password(from_stdin=from_stdin, generate=generate)
    with opened(directory) as (_, center), center.database.write() as session:
        user = service.create_user(
            session,
            center.clock,
            center.hasher,
            username=username,
            display_name=display_name or username,
            password=password,
            roles=roles,
            must_change=not stays,
            rules=center.account_rules,
        )
        name = user.username
        spoken = ", ".join(sorted(roles))
        record(session, center.clock.now(), COMMAND_LINE, Event.USER_CREATED, subject=name, roles=spoken)
    say(N_("User {username} was created."), username=name)
    if generate:
        typer.echo(password)


def list_all(directory: Path, *, as_json: bool) -> None:
    """Show all accounts."""
    with opened(directory) as (_, center), center.database.read() as session:
        users = [
            {
                "username": user.username,
                "display_name": user.display_name,
                "roles": sorted(role.value for role in user.roles),
                "disabled_at": user.disabled_at.isoformat() if user.disabled_at else None,
            }
            for user in service.list_users(session)
        ]
    if as_json:
        show_json(users)
        return
    headers = [N_("User name"), N_("Name"), N_("Roles"), N_("Disabled")]
    show_table(
        headers,
        [[user["username"], user["display_name"], _spoken(user["roles"]), user["disabled_at"]] for user in users],
    )


def disable(directory: Path, username: str) -> None:
    """Lock an account."""
    with opened(directory) as (_, center), center.database.write() as session:
        name = service.disable_user(session, center.clock, username).username
        record(session, center.clock.now(), COMMAND_LINE, Event.USER_DISABLED, subject=name)
    say(N_("User {username} is disabled and signed out."), username=name)


def set_password(
    directory: Path, username: str, *, from_stdin: bool, generate: bool, stays: bool, forget_second_factor: bool
) -> None:
    """Give an account a new password; it is signed out everywhere."""
    password = _password(from_stdin=from_stdin, generate=generate)
    with opened(directory) as (_, center), center.database.write() as session:
        user = service.set_password(
            session,
            center.clock,
            center.hasher,
            username,
            password,
            must_change=not stays,
            rules=center.account_rules,
        )
        now = center.clock.now()
        record(session, now, COMMAND_LINE, Event.PASSWORD_CHANGED, subject=username)
        if forget_second_factor:
            second_factor.end(session, user.id)
            record(session, now, COMMAND_LINE, Event.SECOND_FACTOR_ENDED, subject=username)
    say(N_("User {username} has a new password and is signed out."), username=username)
    if generate:
        typer.echo(password)


def _password(*, from_stdin: bool, generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(GENERATED_BYTES)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt(word(N_("Password")), hide_input=True, confirmation_prompt=word(N_("Once more")))
    return asked


def _spoken(roles: object) -> str:
    assert isinstance(roles, list)
    return ", ".join(translate(language(), ROLE_NAMES[Role(role)]) for role in roles)
