"""The files of a center that has come under another parent: its settings name the new broker from now on."""

import structlog

from node.center import Center
from node.chain import save_chain
from node.founding import PARENT_CA_FILE
from node.identity import write_private
from node.rehoming.tables import MoveRow
from node.settings import FILE, Settings, load_settings, settings_of, write_settings

logger = structlog.get_logger()


def settle(center: Center, settings: Settings) -> Settings:
    """Write down where our new parent's broker is, if that has changed; the settings that hold now.

    Settings that stand in the environment stay as they are, and win.

    Raises:
        SettingsError: the file can't be read or what came is no address.
        OSError: a file can't be written.
    """
    parent = center.parent
    if parent is None:
        return settings
    with center.database.read() as session:
        row = session.get(MoveRow, parent)
        if row is None or row.url is None or row.settled_at is not None:
            return settings
        url, ca = row.url, row.ca
    place = settings.data_dir
    ca_file = place / PARENT_CA_FILE if ca is not None else None
    if ca is not None:
        write_private(place / PARENT_CA_FILE, ca)
    written = load_settings(place, environment=False)
    given = {**written.model_dump(mode="python", exclude_unset=True), "parent_url": url, "parent_ca_file": ca_file}
    given.pop("data_dir", None)
    settled = settings_of(place, given, place=str(place / FILE))
    write_settings(settled)
    save_chain(place, tuple(center.directory.chain(center.code)))
    with center.database.write() as session:
        session.get_one(MoveRow, parent).settled_at = center.clock.now()
    logger.warning("move.settled", parent=parent, url=url)
    return settings.model_copy(update={"parent_url": settled.parent_url, "parent_ca_file": settled.parent_ca_file})
