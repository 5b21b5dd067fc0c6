"""Statements that SQLAlchemy compiles once in a process of tests, however many databases that opens.

An engine keeps what it has compiled for itself. A test with twenty centers has twenty engines that all ask the same,
and compiling took a fifth of its time.
"""

from typing import Any

from sqlalchemy import Dialect, util

KEPT = 5_000
"""Statements; a center asks some hundred different ones."""


class SharedStatements(util.LRUCache[Any, Any]):
    """What was compiled for one database serves all of its kind whose columns are sealed with the same keys."""

    def __init__(self) -> None:
        super().__init__(KEPT)

    def get(self, key: tuple[Any, ...], default: object = None) -> Any:  # noqa: ANN401 - as its base has it
        """What was compiled for this, or ``default``."""
        return super().get(_common(key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: object) -> None:
        """Keep what was compiled."""
        super().__setitem__(_common(key), compiled)


def _common(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """SQLAlchemy's key, with what matters of a dialect in its place."""
    dialect: Dialect = key[0]
    vault = getattr(dialect, "liandong_vault", None)
    return (dialect.name, None if vault is None else vault.secrets, *key[1:])
