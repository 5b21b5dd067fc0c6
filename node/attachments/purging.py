"""Files whose cases are purged when their retention ends."""

from collections.abc import Collection

from sqlalchemy import delete

from node.attachments.tables import AttachmentRow
from node.unit import Unit


def drop_files_of(unit: Unit, case_ids: Collection[str]) -> None:
    """These cases name no files any more. A file that no other case names is removed after the commit.

    Call it in the transaction that removes the bodies of the cases' entries, where the names of the files stand.
    """
    unit.session.execute(delete(AttachmentRow).where(AttachmentRow.case_id.in_(list(case_ids))))
