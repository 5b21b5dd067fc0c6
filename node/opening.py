"""Opening a center: its directory and its database become one ``Center``.

Beside the settings a data directory holds the seeds of the center's keys (``keys.json``), the NKey seed for the
parent's broker (``link.seed``) and the certificate chain up to the root (``chain.json``). ``init`` and ``join`` write
these and then call ``open_center(..., create=True)``, which fills an empty database from the chain. Later starts never
do that: a center that finds its database empty has lost it, or was given the wrong URL, and must not go on as if
nothing had happened.
"""

import json
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from node.accounts.passwords import PasswordHasher
from node.attachments.store import MEGABYTE, Limits
from node.center import Center
from node.chain import adopt_files, load_chain
from node.clock import Clock, SystemClock
from node.db import Database
from node.directory import Directory, add_certificates
from node.federation.lanes import add_link
from node.federation.tables import IdentityRow, LinkRow
from node.i18n import N_
from node.identity import Identity, Keys, load_keys
from node.level import Level, UnknownLevel, load_level
from node.migrations import migrate
from node.reach import Reach
from node.settings import Settings, SettingsError
from node.trouble import DatabaseTrouble, Trouble
from node.unit import system_random
from node.vault import Vault, new_secret, open_vault, write_secrets
from protocol.errors import BadRecord

INCARNATION_BYTES = 16


def open_center(
    settings: Settings,
    *,
    create: bool = False,
    clock: Clock | None = None,
    hasher: PasswordHasher | None = None,
) -> Center:
    """Open the database, migrate it if it is older than the code, check that all parts belong together.

    Args:
        settings: of this center.
        create: fill an empty database; ``init`` and ``join`` do.
        clock: the system's without it.
        hasher: of passwords; the ordinary one without it.

    Raises:
        Trouble: keys or chain can't be read, or don't belong to the database.
        SchemaTooNew: a newer Liandong wrote the database.
        DatabaseTrouble: it is empty, or another center's.
        DatabaseUnavailable: it can't be read or written.
    """
    level = _level(settings)
    keys = _keys(settings.data_dir)
    database = Database(settings.database_url, vault=open_storage(settings, create=create))
    try:
        migrate(database)
        directory = Directory()
        _settle_identity(settings, database, create=create, clock=clock or SystemClock())
        with database.read() as session:
            incarnation, former = read_incarnation(session)
            directory.refresh(session)
        keys = adopt_files(settings.data_dir, keys, directory, settings.code)
        _check_keys(settings, keys, directory)
    except BaseException:
        database.dispose()
        raise
    identity = Identity(
        code=settings.code,
        level=settings.level,
        incarnation=incarnation,
        former=former,
        signing=keys.signing,
        sealing=keys.sealing,
    )
    center = Center(
        identity=identity,
        level=level,
        database=database,
        directory=directory,
        clock=clock or SystemClock(),
        hasher=hasher or PasswordHasher(),
        root_key=settings.root_key,
        data_dir=settings.data_dir,
        reach=Reach(settings),
        backup_to_parent=settings.backup.to_parent,
        audit_days=settings.audit_days,
        attachments=Limits(settings.attachment_mb * MEGABYTE, settings.case_attachments_mb * MEGABYTE),
        account_rules=settings.accounts.rules,
    )
    center.read_policy()
    return center


def open_storage(settings: Settings, *, create: bool = False) -> Vault:
    """The vault of the stored data.

    Args:
        settings: of the center.
        create: draw a key if there is none.

    Raises:
        Trouble: the key can't be read, or is damaged.
    """
    file = settings.storage_key
    try:
        if create and not file.exists():
            write_secrets(file, [new_secret()])
        return open_vault(file)
    except OSError as error:
        raise Trouble(
            N_(
                "The key of the stored data can't be read: {file}: {reason}. Without it nothing of the cases can be "
                "read."
            ),
            file=str(file),
            reason=error.strerror,
        ) from error
    except ValueError as error:
        raise Trouble(N_("{file} is damaged; restore it from a backup."), file=str(file)) from error


def _level(settings: Settings) -> Level:
    try:
        return load_level(settings.level)
    except UnknownLevel as error:
        raise SettingsError(
            str(settings.file), N_("{place}: there is no level {level}."), level=settings.level
        ) from error


def _keys(data_dir: Path) -> Keys:
    try:
        return load_keys(data_dir)
    except OSError as error:
        raise Trouble(
            N_("The center's keys can't be read: {file}: {reason}"),
            file=str(data_dir / "keys.json"),
            reason=error.strerror,
        ) from error
    except (ValueError, BadRecord) as error:
        raise Trouble(N_("{file} is damaged; restore it from a backup."), file=str(data_dir / "keys.json")) from error


def read_incarnation(session: Session) -> tuple[str, tuple[str, ...]]:
    """The incarnation of this database, and its earlier ones."""
    row = session.execute(select(IdentityRow.incarnation, IdentityRow.former)).one()
    return row.incarnation, tuple(json.loads(row.former))


def _settle_identity(settings: Settings, database: Database, *, create: bool, clock: Clock) -> None:
    """See that this database is ours; fill it if it is empty and may be filled."""
    with database.read() as session:
        row = session.execute(select(IdentityRow.code)).one_or_none()
    if row is None:
        if not create:
            raise DatabaseTrouble(
                N_(
                    "The database of {code} is empty: {url}. It is not the one that this center was made with. "
                    "Correct database_url, or restore a backup."
                ),
                code=settings.code,
                url=shown_url(settings.database_url),
            )
        with database.write() as session:
            _fill(session, settings, clock)
        return
    if create:
        raise DatabaseTrouble(
            N_("The database {url} holds the center {code} already. Name an empty one."),
            url=shown_url(settings.database_url),
            code=row.code,
        )
    if row.code != settings.code:
        raise DatabaseTrouble(
            N_("The database {url} belongs to {other}, not to {code}."),
            url=shown_url(settings.database_url),
            other=row.code,
            code=settings.code,
        )


def _fill(session: Session, settings: Settings, clock: Clock) -> None:
    """Write who we are, our certificates, and the link to the parent, into an empty database."""
    chain = load_chain(settings.data_dir)
    try:
        add_certificates(session, chain, settings.root_key)
        claims = chain[0].parse()
    except (BadRecord, IndexError) as error:
        raise Trouble(N_("The certificates of {code} don't lead up to the root."), code=settings.code) from error
    row = IdentityRow(code=settings.code, incarnation=system_random(INCARNATION_BYTES).hex(), created_at=clock.now())
    session.add(row)
    if claims.parent is not None and session.get(LinkRow, claims.parent) is None:
        add_link(session, claims.parent, "up", None)


def _check_keys(settings: Settings, keys: Keys, directory: Directory) -> None:
    if keys.signing.public not in directory.known.keys_of(settings.code):
        raise Trouble(
            N_("The keys in {directory} are not those of {code}'s certificate. Restore both from one backup."),
            directory=str(settings.data_dir),
            code=settings.code,
        )


def shown_url(url: str) -> str:
    """A database's URL without its password."""
    return make_url(url).render_as_string(hide_password=True)
