"""Sealing the stored data anew under another key; the center must not run meanwhile.

A new key is put in front of the others (``node.vault``), every value that another one opens is read and written again,
few in a transaction, and the old keys go when nothing is left that they open. A process that ran on would go on sealing
with the old one.
"""

from sqlalchemy import LargeBinary, Table, and_, select, type_coerce, update
from sqlalchemy.orm import Session

from node import migrations
from node.center import Center
from node.settings import Settings
from node.vault import Sealed, Vault, new_secret, open_vault, vault_of, write_secrets

ROWS_AT_ONCE = 200
"""Rows of one transaction: people never wait behind it."""


def reseal(center: Center, settings: Settings) -> int:
    """Draw a new storage key and seal everything with it; returns how many values there were.

    Repeated after an interruption it ends what was begun, with one more key.

    Raises:
        DatabaseUnavailable: some of it is done; both keys stay.
        OSError: the keys' file can't be written; nothing was done.
    """
    file = settings.storage_key
    vault = vault_of(center.database.engine.dialect)
    write_secrets(file, [new_secret(), *vault.secrets])
    vault.reread()
    count = 0
    for table in migrations.all_tables().metadata.sorted_tables:
        sealed = [column.name for column in table.columns if isinstance(column.type, Sealed)]
        keys = _old(center, table, sealed, vault) if sealed else []
        for start in range(0, len(keys), ROWS_AT_ONCE):
            with center.database.write() as session:
                count += sum(_row(session, table, sealed, key) for key in keys[start : start + ROWS_AT_ONCE])
    write_secrets(file, open_vault(file).secrets[:1])
    return count


def _old(center: Center, table: Table, sealed: list[str], vault: Vault) -> list[tuple[object, ...]]:
    """Keys of rows that hold a value of another key than the newest."""
    keys = list(table.primary_key.columns)
    raw = [type_coerce(table.c[name], LargeBinary).label(f"raw_{name}") for name in sealed]
    wanted = select(*keys, *raw).execution_options(yield_per=ROWS_AT_ONCE)
    with center.database.read() as session:
        return [
            tuple(row[: len(keys)])
            for row in session.execute(wanted)
            if any(value is not None and not vault.is_newest(bytes(value)) for value in row[len(keys) :])
        ]


def _row(session: Session, table: Table, sealed: list[str], key: tuple[object, ...]) -> int:
    """Seal a row's values anew; returns how many."""
    this = and_(*[column == value for column, value in zip(table.primary_key.columns, key, strict=True)])
    values = session.execute(select(*[table.c[name] for name in sealed]).where(this)).one()
    told = {name: value for name, value in zip(sealed, values, strict=True) if value is not None}
    session.execute(update(table).where(this).values(told))
    return len(told)
