"""What this center holds of one party of one case, over HTTP. Mounted under ``/api/v1``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import note_subject
from node.cases.api import CaseId, Here
from node.cases.subject import SubjectRecord, subject_record

router = APIRouter(tags=["cases"])


@router.get("/cases/{case_id}/parties/{number}/record")
def record_of_party(
    request: Request,
    case_id: CaseId,
    number: int,
    here: Here,
    caller: Annotated[Caller, Depends(require(Action.make_papers))],
) -> SubjectRecord:
    """What this center holds of one party, to be handed to that person. ``number`` counts the parties from zero."""
    with here.database.read() as session:
        found = subject_record(session, here, case_id, number)
    note_subject(here, request, caller, case_id, str(number + 1))
    return found
