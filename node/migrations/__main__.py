"""Write a new revision from what changed in the tables: ``python -m node.migrations "what changes"``."""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command

from node.db import Database
from node.migrations import VERSIONS, head
from node.migrations.running import config_for, upgrade


def write_revision(message: str) -> Path:
    """Compare the tables with the newest revision and write the next one; look it over before committing it."""
    number = f"{int(head()) + 1 if any(VERSIONS.glob('[0-9]*.py')) else 1:04}"
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/schema.db")
        if number != "0001":
            with database.write() as session:
                upgrade(session.connection())
        with database.engine.begin() as connection:
            config = config_for(connection)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(config, message=message, rev_id=number, autogenerate=True)
        database.dispose()
    [written] = VERSIONS.glob(f"{number}_*.py")
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", str(written)], check=False)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(written)], check=True)
    return written


if __name__ == "__main__":
    sys.stdout.write(f"{write_revision(sys.argv[1])}\n")
