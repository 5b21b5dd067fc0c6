"""Passwords that are guessed first: common ones, and those that are made of the user name.

``common_passwords.txt`` has those of eight characters and more of the 20,000 most common ones that Django ships (BSD
licence; list by Royce Williams from leaked ones), in lower case, one a line.
"""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent.parent / "data" / "common_passwords.txt"

NAME_MIN: Final = 4
"""Characters of a user name that count when they stand in a password."""


def is_common(password: str) -> bool:
    """Whether this is one of the most common passwords, in whatever case."""
    return _plain(password) in _common()


def has_name(password: str, username: str) -> bool:
    """Whether the password contains the user name, or is contained in it."""
    plain, name = _plain(password), _plain(username)
    return plain in name or (len(name) >= NAME_MIN and name in plain)


@cache
def _common() -> frozenset[str]:
    return frozenset(FILE.read_text(encoding="utf-8").split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
