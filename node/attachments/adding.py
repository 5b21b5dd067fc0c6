"""Files are added to a case: by the holder's people at once, by those who follow it through a request to the holder."""

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy import func, select

from node.access import visible_row
from node.attachments import rows
from node.attachments.content import judge
from node.attachments.receiving import Upload, clean_name
from node.attachments.store import MEGABYTE, FileStore, Incoming
from node.attachments.tables import AttachmentRow, FileRow
from node.cases.acts import perform
from node.cases.inputs import AttachInput
from node.cases.refusals import problem_of
from node.cases.tables import RequestRow
from node.center import Center
from node.i18n import N_
from node.invalid import Invalid
from node.problems import Problem
from node.unit import Unit
from protocol.case import CaseState
from protocol.errors import Refused

ACT = "attachments"


def check_may_add(center: Center, case_id: str) -> None:
    """Whether this center may add files to a case at all, before any of them is read.

    Raises:
        Problem: 404 ``not-found``; 409 ``not-a-follower``.
    """
    with center.database.read() as session:
        row, _ = visible_row(session, case_id, center.clock.now())
        state = CaseState.model_validate_json(row.state) if row.state is not None else None
    if state is None or center.code not in state.followers:
        raise problem_of(Refused("not-a-follower", center=center.code))


def described(upload: Upload) -> list[tuple[AttachInput, Incoming]]:
    """What the log will say of each file of a form.

    Raises:
        Problem: 422, where one is none of what is let in, or a field of the form does not fit.
    """
    found = []
    for name, incoming in upload.files:
        media_type, ending = judge(incoming.head, clean_name(name, ""))
        given = {
            "name": clean_name(name, ending),
            "type": media_type,
            "size": incoming.size,
            "sha256": incoming.sha256,
            "part": upload.fields.get("part") or None,
            "note": upload.fields.get("note") or None,
        }
        try:
            found.append((AttachInput.model_validate(given), incoming))
        except ValidationError as error:
            raise Invalid(error.errors()) from error
    return found


def add(
    unit: Unit, store: FileStore, case_id: str, files: Sequence[tuple[AttachInput, Incoming]], actor: str
) -> CaseState | RequestRow:
    """Add files to a case, all or none; they get their places when nothing can refuse them any more.

    Returns:
        The case, or the last pending request.

    Raises:
        Problem: 404, 409 or 413, as any act; 507 ``not-saved``.
    """
    done: CaseState | RequestRow | None = None
    for given, _ in files:
        _check(unit, store, case_id, given)
        done = perform(unit, case_id, ACT, given, actor)
        rows.know(unit.session, given.sha256, given.size)
        row = unit.session.get_one(FileRow, given.sha256, with_for_update=True, populate_existing=True)
        row.here_at = row.here_at or unit.now
        if isinstance(done, RequestRow):
            row.request_id = done.id
        unit.book.flush()
    assert done is not None, "a form without a file is refused"
    unit.session.flush()
    for _, incoming in files:
        store.place(incoming)
    return done


def _check(unit: Unit, store: FileStore, case_id: str, given: AttachInput) -> None:
    ours = AttachmentRow.case_id == case_id
    twin = unit.session.scalar(select(AttachmentRow.seq).where(ours, AttachmentRow.sha256 == given.sha256).limit(1))
    if twin is not None:
        detail = N_("{name} is attached already (entry {seq}).")
        raise Problem(409, N_("already-attached"), detail, name=given.name, seq=twin)
    used = unit.session.scalar(select(func.coalesce(func.sum(AttachmentRow.size), 0)).where(ours)) or 0
    if used + given.size > store.limits.case:
        limit = store.limits.case // MEGABYTE
        raise Problem(413, N_("case-too-large"), N_("The files of one case may have at most {limit} MB."), limit=limit)
