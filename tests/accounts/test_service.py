"""Accounts and tokens, below HTTP."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import pytest
from sqlalchemy import select

from node.accounts import service
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.accounts.service import Caller, Issued
from node.accounts.sessions import purge_tokens
from node.accounts.tables import Token, TokenKind, User
from node.accounts.throttle import Throttle
from node.clock import Clock
from node.db import Base, Database
from node.problems import Problem

PASSWORD = "correct horse battery"

AddUser = Callable[..., None]


class Center(Protocol):
    """The center of ``conftest``."""

    database: Database
    hasher: PasswordHasher
    clock: "MovableClock"


class MovableClock(Clock, Protocol):
    """The clock of ``conftest``."""

    def advance(self, by: timedelta) -> None: ...


def log_in(center: Center, username: str, password: str = PASSWORD, kind: TokenKind = TokenKind.token) -> Issued:
    return service.login(
        center.database, center.clock, center.hasher, Throttle(), username=username, password=password, kind=kind
    )


def who_is(center: Center, token: str, kind: TokenKind | None = None) -> Caller | None:
    with center.database.read() as session:
        return service.authenticate(session, center.clock, token, kind)


def create(center: Center, **changes: object) -> None:
    fields: dict[str, object] = {
        "username": "ali",
        "display_name": "阿力",
        "password": PASSWORD,
        "roles": [Role.clerk],
        **changes,
    }
    with center.database.write() as session:
        service.create_user(session, center.clock, center.hasher, **fields)  # type: ignore[arg-type]


# ---------------------------------------------------------------- tokens


def test_a_token_tells_who_calls_and_in_which_roles(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk, Role.mediator)
    caller = who_is(center, log_in(center, "ali").token)
    assert caller is not None
    assert (caller.username, caller.display_name) == ("ali", "ali 同志")
    assert caller.roles == {Role.clerk, Role.mediator}


@pytest.mark.parametrize("typed", ["ALI", " ali ", "ａｌｉ", "Ali"])
def test_case_and_width_of_a_user_name_do_not_matter(center: Center, add_user: AddUser, typed: str) -> None:
    add_user("Ali", Role.clerk)
    assert who_is(center, log_in(center, typed).token) is not None


@pytest.mark.parametrize(
    ("username", "password"),
    [("ali", "wrong password"), ("nobody", PASSWORD), ("", ""), ("a\0li", PASSWORD), ("\ud800", "\ud800")],
)
def test_bad_credentials_are_refused_without_saying_which_part_is_bad(
    center: Center, add_user: AddUser, username: str, password: str
) -> None:
    add_user("ali", Role.clerk)
    with pytest.raises(Problem) as refusal:
        log_in(center, username, password)
    assert (refusal.value.status, refusal.value.type) == (401, "bad-credentials")
    assert refusal.value.members == {}


def test_a_token_lasts_twelve_hours(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    issued = log_in(center, "ali")
    assert issued.expires_at == center.clock.now() + timedelta(hours=12)
    center.clock.advance(timedelta(hours=12) - timedelta(seconds=1))
    assert who_is(center, issued.token) is not None
    center.clock.advance(timedelta(seconds=1))
    assert who_is(center, issued.token) is None


def test_a_token_ends_at_logout_and_others_of_the_user_do_not(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    here, there = log_in(center, "ali"), log_in(center, "ali")
    with center.database.write() as session:
        service.logout(session, here.token)
    assert who_is(center, here.token) is None
    assert who_is(center, there.token) is not None


def test_a_sessions_cookie_is_no_api_token(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    cookie = log_in(center, "ali", kind=TokenKind.session).token
    assert who_is(center, cookie, TokenKind.session) is not None
    assert who_is(center, cookie, TokenKind.token) is None
    assert who_is(center, cookie) is not None


@pytest.mark.parametrize("token", ["", "ld_", "ld_x", "x", "ld_\udcff"])
def test_an_invented_token_is_nobodys(center: Center, add_user: AddUser, token: str) -> None:
    add_user("ali", Role.clerk)
    log_in(center, "ali")
    assert who_is(center, token) is None


def test_neither_password_nor_token_is_in_the_database(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    token = log_in(center, "ali").token
    with center.database.read() as session:
        everything = str([session.execute(select(table)).all() for table in Base.metadata.tables.values()])
    assert "ali 同志" in everything
    assert PASSWORD not in everything
    assert token.removeprefix("ld_") not in everything


def test_a_printed_token_does_not_show_it(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    issued = log_in(center, "ali")
    assert issued.token not in repr(issued)


def test_expired_tokens_are_purged_and_good_ones_kept(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    log_in(center, "ali")
    center.clock.advance(timedelta(hours=12))
    good = log_in(center, "ali")
    with center.database.write() as session:
        assert purge_tokens(session, center.clock) == 1
    assert who_is(center, good.token) is not None


def test_checking_a_password_holds_up_nobodys_write(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    written = threading.Event()

    def write() -> None:
        with center.database.write() as session:
            session.execute(select(Token))
        written.set()

    class WatchedHasher(PasswordHasher):
        def verify(self, password_hash: str | None, password: str) -> bool:
            threading.Thread(target=write).start()
            assert written.wait(5)
            return super().verify(password_hash, password)

    watched = WatchedHasher(memory_kib=8, passes=1)
    service.login(center.database, center.clock, watched, Throttle(), username="ali", password=PASSWORD)
    assert written.is_set()


def test_a_user_disabled_while_the_password_is_checked_does_not_get_in(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)

    class SlowHasher(PasswordHasher):
        def verify(self, password_hash: str | None, password: str) -> bool:
            with center.database.write() as session:
                service.disable_user(session, center.clock, "ali")
            return super().verify(password_hash, password)

    with pytest.raises(Problem) as refusal:
        service.login(
            center.database,
            center.clock,
            SlowHasher(memory_kib=8, passes=1),
            Throttle(),
            username="ali",
            password=PASSWORD,
        )
    assert refusal.value.type == "bad-credentials"


def test_a_login_makes_an_outdated_hash_anew(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    stronger = PasswordHasher(memory_kib=16, passes=1)
    service.login(center.database, center.clock, stronger, Throttle(), username="ali", password=PASSWORD)
    with center.database.read() as session:
        (stored,) = session.scalars(select(User.password_hash))
    assert not stronger.outdated(stored)
    assert who_is(center, log_in(center, "ali").token) is not None


# ---------------------------------------------------------------- users


def test_a_disabled_user_is_out_at_once_and_stays_out(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    token = log_in(center, "ali").token
    with center.database.write() as session:
        service.disable_user(session, center.clock, "ALI")
    assert who_is(center, token) is None
    with pytest.raises(Problem) as refusal:
        log_in(center, "ali")
    assert refusal.value.type == "bad-credentials"


def test_disabling_twice_keeps_the_first_date(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    with center.database.write() as session:
        first = service.disable_user(session, center.clock, "ali").disabled_at
    center.clock.advance(timedelta(days=1))
    with center.database.write() as session:
        assert service.disable_user(session, center.clock, "ali").disabled_at == first


def test_the_last_active_administrator_cannot_be_disabled(center: Center, add_user: AddUser) -> None:
    add_user("root", Role.admin)
    add_user("second", Role.admin)
    with center.database.write() as session:
        service.disable_user(session, center.clock, "second")
    with pytest.raises(Problem) as refusal, center.database.write() as session:
        service.disable_user(session, center.clock, "root")
    assert (refusal.value.status, refusal.value.type) == (409, "last-admin")


def test_a_new_password_ends_all_tokens_and_the_old_password(center: Center, add_user: AddUser) -> None:
    add_user("ali", Role.clerk)
    token = log_in(center, "ali").token
    with center.database.write() as session:
        service.set_password(session, center.clock, center.hasher, "ali", "another long one")
    assert who_is(center, token) is None
    with pytest.raises(Problem):
        log_in(center, "ali")
    assert who_is(center, log_in(center, "ali", "another long one").token) is not None


@pytest.mark.parametrize("username", ["nobody", "", "a b", "\0"])
def test_an_account_that_is_not_there_cannot_be_changed(center: Center, username: str) -> None:
    with center.database.write() as session:
        with pytest.raises(Problem) as refusal:
            service.disable_user(session, center.clock, username)
        assert refusal.value.status == 404
        with pytest.raises(Problem) as refusal:
            service.set_password(session, center.clock, center.hasher, username, PASSWORD)
        assert refusal.value.status == 404


def test_a_user_name_is_given_once_whatever_its_case(center: Center) -> None:
    create(center, username="ali")
    with pytest.raises(Problem) as refusal:
        create(center, username="ALI")
    assert (refusal.value.status, refusal.value.type) == (409, "user-exists")


def test_after_a_refused_name_the_same_unit_of_work_can_go_on(center: Center) -> None:
    create(center, username="ali")
    with center.database.write() as session:
        for username in ("ali", "beth"):
            try:
                service.create_user(
                    session,
                    center.clock,
                    center.hasher,
                    username=username,
                    display_name=username,
                    password=PASSWORD,
                    roles=[Role.clerk],
                )
            except Problem:
                continue
    with center.database.read() as session:
        assert [user.username for user in service.list_users(session)] == ["ali", "beth"]


@pytest.mark.parametrize(
    "change",
    [
        {"username": ""},
        {"username": "a" * 65},
        {"username": "a b"},
        {"username": "a/b"},
        {"username": "a\0"},
        {"username": "\ud800"},
        {"display_name": " "},
        {"display_name": "长" * 65},
        {"display_name": "a\u202eb"},
        {"display_name": "\0"},
        {"password": "short"},
        {"password": "x" * 257},
        {"roles": []},
    ],
)
def test_an_account_that_cannot_be_is_refused(center: Center, change: dict[str, object]) -> None:
    with pytest.raises(Problem) as refusal:
        create(center, **change)
    assert (refusal.value.status, refusal.value.type) == (422, "invalid")


def test_chinese_user_names_are_welcome(center: Center) -> None:
    create(center, username="张调解员")
    assert who_is(center, log_in(center, "张调解员").token) is not None


def test_accounts_are_listed_by_name_with_their_roles(center: Center, add_user: AddUser) -> None:
    add_user("zhang", Role.clerk)
    add_user("ali", Role.clerk, Role.director)
    with center.database.read() as session:
        listed = [(user.username, set(user.roles)) for user in service.list_users(session)]
    assert listed == [("ali", {Role.clerk, Role.director}), ("zhang", {Role.clerk})]
