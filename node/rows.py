"""Many rows in one statement, as the driver takes them.

SQLAlchemy prepares the values of each row by name, which costs as much again as the database's own work where a frame
brings hundreds of rows. Here a statement is put together once, and a row is a tuple in the order of its columns. What
a column's type does with a value (instants, JSON) happens here too.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from sqlalchemy import Connection, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

from node.db import Base

Bind = Callable[[object], object]


def table_of(mapped: type[Base]) -> Table:
    """The table of a mapped class."""
    table = mapped.__table__
    assert isinstance(table, Table)
    return table


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Iterable[Sequence[object]]
) -> None:
    """Add rows.

    Args:
        connection: in a transaction.
        table: where to.
        columns: names of the columns that the values stand for.
        rows: values in the order of ``columns``; none at all is no error.
    """
    dialect = connection.dialect
    _execute(connection, _insertion(table, columns, dialect), _binds(table, columns, dialect), rows)


def update_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], key: str, rows: Iterable[Sequence[object]]
) -> None:
    """Change rows.

    Args:
        connection: in a transaction.
        table: where.
        columns: names of the columns that change.
        key: the column that says which row.
        rows: new values in the order of ``columns``, and the row's key at the end.
    """
    dialect = connection.dialect
    _execute(connection, _change(table, columns, key, dialect), _binds(table, (*columns, key), dialect), rows)


def _execute(
    connection: Connection, statement: str, binds: tuple[tuple[int, Bind], ...], rows: Iterable[Sequence[object]]
) -> None:
    values = [_bound(row, binds) for row in rows]
    if values:
        connection.exec_driver_sql(statement, values)


def _bound(row: Sequence[object], binds: tuple[tuple[int, Bind], ...]) -> tuple[object, ...]:
    if not binds:
        return tuple(row)
    values = list(row)
    for place, bind in binds:
        values[place] = bind(values[place])
    return tuple(values)


@lru_cache
def _insertion(table: Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    quote, mark = dialect.identifier_preparer.quote, _mark(dialect)
    assert all(column.default is None or column.name in columns for column in table.columns), "nobody fills in defaults"
    names, marks = ", ".join(map(quote, columns)), ", ".join(mark for _ in columns)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours


@lru_cache
def _change(table: Table, columns: tuple[str, ...], key: str, dialect: Dialect) -> str:
    quote, mark = dialect.identifier_preparer.quote, _mark(dialect)
    changes = ", ".join(f"{quote(name)} = {mark}" for name in columns)
    return f"UPDATE {quote(table.name)} SET {changes} WHERE {quote(key)} = {mark}"  # noqa: S608 - names of ours


def _mark(dialect: Dialect) -> str:
    """What stands for a value in a statement."""
    return "?" if dialect.paramstyle == "qmark" else "%s"


@lru_cache
def _binds(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[tuple[int, Bind], ...]:
    """Which places need their type's doing, and what it does."""
    types = (table.c[name].type.dialect_impl(dialect) for name in columns)
    binds = ((place, type_.bind_processor(dialect)) for place, type_ in enumerate(types))
    return tuple((place, bind) for place, bind in binds if bind is not None)


def insert_unless_there(session: Session, table: type[Base], **values: object) -> None:
    """Insert a row; where one of this key is there, or comes in the same instant, nothing happens."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 - memory
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment] # noqa: PLC0415 - its like
    session.execute(insert(table).values(**values).on_conflict_do_nothing())
