"""Passwords at rest."""

import time

import pytest

from node.accounts.passwords import MEMORY_KIB, PasswordHasher


def test_the_right_password_is_recognised_and_a_wrong_one_is_not(hasher: PasswordHasher) -> None:
    stored = hasher.hash("谢官营 2026")
    assert hasher.verify(stored, "谢官营 2026")
    assert not hasher.verify(stored, "谢官营 2025")


def test_the_same_password_is_stored_differently_each_time(hasher: PasswordHasher) -> None:
    assert hasher.hash("secret words") != hasher.hash("secret words")


def test_full_width_digits_are_the_same_password(hasher: PasswordHasher) -> None:
    assert hasher.verify(hasher.hash("密码１２３４"), "密码1234")


def test_nobody_gets_in_as_a_user_who_does_not_exist(hasher: PasswordHasher) -> None:
    assert not hasher.verify(None, "nobody has this password")


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$AAAA"])
def test_a_broken_hash_lets_nobody_in(hasher: PasswordHasher, broken: str) -> None:
    assert not hasher.verify(broken, "")


@pytest.mark.parametrize("password", ["\ud800", "\0", "", "🀄" * 256])
def test_any_text_can_be_a_password(hasher: PasswordHasher, password: str) -> None:
    assert hasher.verify(hasher.hash(password), password)


def test_the_default_is_argon2id_with_owasps_parameters() -> None:
    stored = PasswordHasher().hash("anything")
    assert stored.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=2,p=1$")
    assert MEMORY_KIB == 19456


def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    hasher = PasswordHasher()
    stored = hasher.hash("anything")

    def fastest(password_hash: str | None) -> float:
        def once() -> float:
            start = time.perf_counter()
            assert not hasher.verify(password_hash, "wrong")
            return time.perf_counter() - start

        return min(once() for _ in range(5))

    assert 1 / 3 < fastest(None) / fastest(stored) < 3


def test_a_hash_made_with_weaker_parameters_is_outdated() -> None:
    weak, strong = PasswordHasher(memory_kib=8, passes=1), PasswordHasher(memory_kib=16, passes=1)
    stored = weak.hash("anything")
    assert not weak.outdated(stored)
    assert strong.outdated(stored)
    assert strong.verify(stored, "anything")
