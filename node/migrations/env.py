"""Alembic's environment: runs on the connection that ``node.migrations.running`` brings."""

from alembic import context

from node.migrations import all_tables
from node.migrations.running import is_in_revisions, render_item

connection = context.config.attributes["connection"]
assert connection is not None, "use `python -m node.migrations` or node.migrations.migrate"
context.configure(
    connection=connection,
    target_metadata=all_tables().metadata,
    render_item=render_item,
    include_name=is_in_revisions,
    render_as_batch=True,  # SQLite can't alter a column; batch mode copies the table
    transactional_ddl=True,
)
context.run_migrations()
