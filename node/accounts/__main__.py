"""``python -m node.accounts``: write the table of who may do what into ``docs/access.md``."""

from node.accounts.describing import PAGE, with_table

PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
