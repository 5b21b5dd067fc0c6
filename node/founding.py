"""How a center itself comes to be: ``init_root`` makes the root of a federation, ``join`` makes a child of a join file.

Either writes a data directory (settings, keys, certificate chain) and fills the database; if something fails on the
way, the directory is left as it was found.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node import brokers
from node.backup_key import keep_public_half
from node.cases.recovery import begin, keep_numbers
from node.chain import save_chain
from node.clock import Clock, SystemClock
from node.divisions import divisions
from node.federation.private_file import write_private
from node.i18n import DEFAULT, N_, Language
from node.identity import new_keys, save_keys
from node.join_file import JoinFile, read_join_file
from node.level import UnknownLevel, load_level
from node.opening import open_center
from node.settings import (
    FILE,
    LINK_SEED_FILE,
    Broker,
    NoBroker,
    OwnBroker,
    Settings,
    load_settings,
    settings_of,
    write_settings,
)
from node.trouble import EnrolmentRefused
from protocol.centers import NAME_MAX, Claims, issue
from protocol.codes import CODE_PATTERN
from protocol.keys import SealingKey

PARENT_CA_FILE = "parent-ca.pem"

HTTP_PORT = 8100
BROKER_PORT = 4222


def init_root(
    directory: Path,
    code: str,
    *,
    name: str | None = None,
    level: str | None = None,
    host: str = "127.0.0.1",
    port: int = HTTP_PORT,
    database_url: str | None = None,
    broker: Broker | None = None,
    clock: Clock | None = None,
    language: Language = DEFAULT,
    environment: bool = True,
) -> Settings:
    """Make the root of a federation in an empty directory.

    Args:
        directory: made if it is not there.
        code: division code of the root.
        name: its name; that of the shipped divisions without it.
        level: its level; that of the shipped divisions without it.
        host: address of its pages.
        port: port of its pages.
        database_url: another database than a file in the directory.
        broker: of its children; a supervised one on loopback without it.
        clock: the system's without it.
        language: of the comments in the settings.
        environment: whether variables ``LIANDONG_*`` count.

    Raises:
        EnrolmentRefused: wrong code, unknown division without a name, or the directory is not empty.
        SettingsError: a value is not valid.
        Trouble: the database can't be used.
    """
    name, level = _named(code, name, level)
    keys = new_keys()
    claims = Claims(
        code=code,
        name=name,
        level=level,
        parent=None,
        signing_key=keys.signing.public,
        sealing_key=keys.sealing.public,
        version=1,
        issuer=code,
        issued_at=(clock or SystemClock()).now(),
    )
    with _fresh(directory):
        given: dict[str, object] = {"code": code, "level": level, "root_key": keys.signing.public}
        given |= {"host": host, "port": port, "broker": broker or OwnBroker(port=BROKER_PORT)}
        settings = _settings(directory, given, database_url)
        save_keys(directory, keys)
        save_chain(directory, (issue(keys.signing, claims),))
        return _open_first(settings, language, environment=environment)


def join(
    file: Path | JoinFile,
    directory: Path,
    *,
    host: str = "127.0.0.1",
    port: int = HTTP_PORT,
    database_url: str | None = None,
    broker: Broker | None = None,
    parent_url: str | None = None,
    backup_key: SealingKey | None = None,
    recover: bool = True,
    language: Language = DEFAULT,
    environment: bool = True,
) -> Settings:
    """Make a working center of a join file in an empty directory.

    Args:
        file: the join file, or its path.
        directory: made if it is not there.
        host: address of its pages.
        port: port of its pages.
        database_url: another database than a file in the directory.
        broker: of its own children; none without it.
        parent_url: where the parent's broker is, if not where the join file says.
        backup_key: to what the nightly backups are sealed; none are made without it.
        recover: whether a center that was there before asks at once for what others hold of its cases; a backup that
            is to be taken in first does so itself.
        language: of the comments in the settings.
        environment: whether variables ``LIANDONG_*`` count.

    Raises:
        EnrolmentRefused: no join file, a damaged one, or the directory is not empty.
        SettingsError: a value is not valid.
        Trouble: the database can't be used.
    """
    join_file = file if isinstance(file, JoinFile) else read_join_file(file)
    with _fresh(directory):
        given: dict[str, object] = {"code": join_file.code, "level": join_file.level, "root_key": join_file.root_key}
        given |= {"host": host, "port": port, "broker": broker or NoBroker()}
        given["parent_url"] = parent_url or join_file.parent_url
        if join_file.ca is not None:
            write_private(directory / PARENT_CA_FILE, join_file.ca.encode("ascii"))
            given["parent_ca_file"] = PARENT_CA_FILE
        settings = _settings(directory, given, database_url)
        write_private(directory / LINK_SEED_FILE, join_file.link_seed.encode("ascii"))
        save_keys(directory, join_file.keys)
        save_chain(directory, join_file.chain)
        effective = _open_first(settings, language, environment=environment)
        if backup_key is not None:
            keep_public_half(directory, backup_key)
        if join_file.chain[0].parse().version > 1:
            _was_there_before(effective, join_file, recover=recover)
        return effective


def _was_there_before(settings: Settings, join_file: JoinFile, *, recover: bool) -> None:
    """No number is given twice; and what others hold of our cases will come back, after a backup where there is one."""
    center = open_center(settings)
    try:
        with center.database.write() as session:
            keep_numbers(session, join_file.numbers)
            if recover:
                begin(session, center.code, center.clock.now(), {})
    finally:
        center.database.dispose()


def _settings(directory: Path, given: dict[str, object], database_url: str | None) -> Settings:
    if database_url is not None:
        given["database_url"] = database_url
    return settings_of(directory, given, place=str(directory / FILE))


def _open_first(settings: Settings, language: Language, *, environment: bool) -> Settings:
    """Write the settings, fill the database, make the broker's files."""
    write_settings(settings, language)
    effective = load_settings(settings.data_dir, environment=environment)
    brokers.prepare(effective)
    open_center(effective, create=True).database.dispose()
    return effective


def _named(code: str, name: str | None, level: str | None) -> tuple[str, str]:
    if not re.fullmatch(CODE_PATTERN, code):
        raise EnrolmentRefused(N_("{code} is no division code: a code has 12 digits."), code=code)
    known = divisions().get(code)
    if known is None and (name is None or level is None):
        raise EnrolmentRefused(N_("{code} is not among the shipped divisions; give --name and --level."), code=code)
    if known is not None:
        name, level = name or known.name, level or known.level
    assert name is not None
    assert level is not None
    if not 1 <= len(name.strip()) <= NAME_MAX or not name.isprintable():
        raise EnrolmentRefused(N_("A center's name has 1 to {limit} characters."), limit=NAME_MAX)
    try:
        load_level(level)
    except UnknownLevel as error:
        raise EnrolmentRefused(N_("There is no level {level}."), level=level) from error
    return name.strip(), level


@contextmanager
def _fresh(directory: Path) -> Iterator[None]:
    """An empty directory to fill; emptied again if that fails."""
    place = str(directory)
    existed = directory.exists()
    try:
        if (directory / FILE).exists():
            raise EnrolmentRefused(N_("There is a center in {directory} already."), directory=place)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise EnrolmentRefused(N_("{directory} is not empty; name a new directory."), directory=place)
    except OSError as error:
        raise EnrolmentRefused(
            N_("{directory} can't be used: {reason}"), directory=place, reason=error.strerror
        ) from error
    try:
        yield
    except BaseException:
        for each in directory.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
        if not existed:
            directory.rmdir()
        raise
