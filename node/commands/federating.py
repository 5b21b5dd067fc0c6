"""``init``, ``enroll``, ``revoke``, ``join``: how centers come together and part."""

import os
import time
from pathlib import Path

import typer

from node import brokers
from node.backup_key import new_backup_key, read_backup_key
from node.commands.opened import opened
from node.commands.saving import take_back, tell_key
from node.commands.terminal import language, remark, say, word
from node.enrolment import enroll, revoke, set_aside
from node.founding import init_root, join
from node.i18n import N_, translate_plural
from node.join_file import read_join_file
from node.running import running_pid
from node.settings import Broker, ExternalBroker, NoBroker, OwnBroker, Settings, SettingsError, settings_of
from node.trouble import EnrolmentRefused

LET_GO_SECONDS = 2.5
"""A running center looks for changed links once a second; after this time it has let go of a revoked one."""


def run_init(
    directory: Path,
    code: str,
    *,
    name: str | None,
    level: str | None,
    host: str,
    port: int,
    database_url: str | None,
    broker: Broker | None,
) -> None:
    """Make the root of a federation, and say what comes next."""
    settings = init_root(
        directory,
        code,
        name=name,
        level=level,
        host=host,
        port=port,
        database_url=database_url,
        broker=broker,
        language=language(),
    )
    say(N_("Center {code} is ready in {directory}."), code=code, directory=str(directory))
    _next_steps(directory)
    if isinstance(settings.broker, OwnBroker | ExternalBroker):
        say(N_("  Enrol a child:     liandong enroll CODE -d {directory}"), directory=str(directory))
    if isinstance(settings.broker, ExternalBroker):
        _external(settings)


def run_join(
    file: Path,
    directory: Path,
    *,
    host: str,
    port: int,
    database_url: str | None,
    broker: Broker | None,
    parent_url: str | None,
    backup_key: str | None,
) -> None:
    """Make a center of a join file, and say what comes next."""
    join_file = read_join_file(file)
    printed = backup_key if backup_key is not None else new_backup_key()
    key = read_backup_key(printed)
    settings = join(
        join_file,
        directory,
        host=host,
        port=port,
        database_url=database_url,
        broker=broker,
        parent_url=parent_url,
        backup_key=key,
        recover=backup_key is None,
        language=language(),
    )
    if backup_key is None:
        tell_key(printed)
    else:
        take_back(settings, key)
    say(
        N_("{name} {code} is ready in {directory}; its parent is {parent}."),
        name=join_file.name,
        code=join_file.code,
        directory=str(directory),
        parent=join_file.parent,
    )
    _next_steps(directory)
    say(N_("Delete {file} now, and every copy: it holds this center's secret keys."), file=str(file))
    if isinstance(settings.broker, ExternalBroker):
        _external(settings)


def run_enroll(
    directory: Path, code: str, *, name: str | None, level: str | None, out: Path | None, again: bool
) -> None:
    """Enrol a child, write its join file, and make the broker take it."""
    path = out or Path(f"join-{code}.json")
    _check_new(path)
    with opened(directory) as (settings, center):
        if again and center.directory.tree.known(code):
            set_aside(center, code)
            brokers.install(center.database, settings)
            if running_pid(settings.data_dir) is not None:
                time.sleep(LET_GO_SECONDS)
        join_file = enroll(center, settings, code, name=name, level=level, again=again)
        join_file.write(path)
        say(N_("{name} {code} is enrolled; its join file is {file}."), name=join_file.name, code=code, file=str(path))
        say(N_("Bring it there by a safe way, for it holds secret keys, and run there:"))
        typer.echo(f"  liandong join {path.name} -d DIRECTORY")
        if isinstance(settings.broker, ExternalBroker):
            _external(settings)
        else:
            brokers.install(center.database, settings)


def run_revoke(directory: Path, code: str, *, reason: str | None, sure: bool) -> None:
    """Cut a child off."""
    with opened(directory) as (settings, center):
        name = center.directory.tree.name(code)
        if not sure:
            typer.confirm(word(N_("Cut off {name} {code} for good?"), name=name, code=code), abort=True)
        bounced = revoke(center, code, reason=reason)
        try:
            brokers.install(center.database, settings)
        finally:
            say(N_("{name} {code} is revoked."), name=name, code=code)
            typer.echo(translate_plural(language(), "{n} transfer came back.", "{n} transfers came back.", bounced))
        if isinstance(settings.broker, ExternalBroker):
            _external(settings)


def broker_options(
    directory: Path, *, host: str | None, port: int | None, names: list[str], url: str | None
) -> Broker | None:
    """The broker that options describe; None if there were none.

    Raises:
        SettingsError: they don't fit together, or a value is wrong.
    """
    place = N_("the options of the broker")
    own = host is not None or port is not None or bool(names)
    if url is not None and own:
        raise SettingsError(place, N_("--broker-url names somebody else's server; it has no host, port or names here."))
    if url is None and not own:
        return None
    table: dict[str, object] = {"mode": "external", "url": url}
    if url is None:
        table = {"mode": "supervised", "names": names}
        table |= {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    checked = settings_of(
        directory, {"code": "0" * 12, "level": "any", "root_key": "A" * 43 + "=", "broker": table}, place=place
    )
    broker = checked.broker
    assert not isinstance(broker, NoBroker)
    return broker


def _next_steps(directory: Path) -> None:
    where = str(directory)
    say(N_("  Make yourself an account:  liandong user add NAME --role admin -d {directory}"), directory=where)
    say(N_("  Start the center:          liandong serve -d {directory}"), directory=where)


def _external(settings: Settings) -> None:
    """Print what the operator of an external server installs."""
    with opened(settings.data_dir) as (_, center):
        text = brokers.snippet(center.database, settings)
    assert text is not None
    remark(N_("Have the operator of the NATS server install this:"))
    typer.echo(text)


def _check_new(path: Path) -> None:
    """Refuse to write over a file, or where we can't write, before anything was done."""
    if path.exists():
        raise EnrolmentRefused(N_("{file} exists; name another file with --out."), file=str(path))
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise EnrolmentRefused(N_("{directory} can't be written; name another file with --out."), directory=str(folder))
