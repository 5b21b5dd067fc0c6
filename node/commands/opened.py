"""Opening a center for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.center import Center
from node.opening import open_center
from node.settings import Settings, load_settings


@contextmanager
def opened(directory: Path) -> Iterator[tuple[Settings, Center]]:
    """The settings and the center of a directory, closed again at the end.

    Raises:
        Trouble: settings, keys or database are not in order.
        DatabaseUnavailable: the database can't be read.
    """
    settings = load_settings(directory)
    center = open_center(settings)
    try:
        yield settings, center
    finally:
        center.database.dispose()
