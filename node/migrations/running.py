"""Alembic, driven by the program: no ini file, no command line."""

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from node import migrations
from node.cases.searched import DERIVED, drop_index
from node.db import UtcDateTime
from node.vault import Sealed


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration; ``env.py`` takes the connection from it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(migrations.VERSIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the missing revisions in the transaction of this connection."""
    command.upgrade(config_for(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Go back to a revision; for tests and for those who know what they lose."""
    drop_index(connection)  # whoever migrates again makes it again
    command.downgrade(config_for(connection), revision)


def is_in_revisions(name: str | None, type_: str, parents: object) -> bool:
    """Whether revisions are to make this; the index of a search is derived and made by ``build_index``."""
    del type_, parents
    return name is None or DERIVED not in name


def render_item(type_: str, item: object, context: object) -> str | Literal[False]:
    """Write our own types as what they are in the database, so that revisions never depend on today's code."""
    del context
    if type_ == "type" and isinstance(item, Sealed):
        return "sa.LargeBinary()"
    if type_ == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False
