"""The dossier: which of its thirteen parts a case needs, which are there, and when it may go to the archive."""

from datetime import date

import pytest

from protocol import entries as e
from protocol.codes import Part, Retention, Status
from protocol.dossier import missing, parts_of
from protocol.entries import Kind
from protocol.errors import Refused
from tests.protocol.case_logs import START, VILLAGE, Log, in_status, mediated

DAY = date(2026, 3, 9)
ARCHIVED = e.Archived(retention=Retention.LONG)


def filed(log: Log, *parts: Part) -> None:
    log.append(Kind.FILED, e.Filed(parts=parts, pages=2))


def complete() -> Log:
    log = Log()
    log.accept()
    log.append(Kind.MEDIATED, mediated())
    filed(log, Part.NOTICE, Part.IDENTITY)
    terms = (e.Term(text="赔偿"),)
    agreed = log.append(Kind.AGREED, e.Agreed(agreement="a", terms=terms, visit_on=(DAY,)))
    assert agreed.agreement_seq is not None
    log.append(Kind.CLOSED)
    log.append(Kind.FULFILLED, e.Fulfilled(agreement_seq=agreed.agreement_seq, term=1, on=DAY))
    log.append(Kind.VISITED, e.Visited(held_at=START, method="电话", visit_on=DAY))
    return log


def photo_of(part: Part | None) -> e.Attached:
    return e.Attached(name="照片.jpg", type="image/jpeg", size=1, sha256="5a" * 32, part=part, center=VILLAGE)


def test_a_picture_of_a_paper_stands_for_the_paper_and_one_of_anything_else_for_nothing() -> None:
    log = Log()
    for part in (Part.IDENTITY, Part.MEDIATION, None):
        log.append(Kind.ATTACHED, photo_of(part))
    assert (log.state.filed, log.state.attachments) == ((Part.IDENTITY,), 3)


def test_a_case_has_so_many_files_and_no_more() -> None:
    log = Log()
    for _ in range(e.ATTACHMENTS_MAX):
        log.append(Kind.ATTACHED, photo_of(None))
    with pytest.raises(Refused, match="too-many-attachments"):
        log.append(Kind.ATTACHED, photo_of(None))


@pytest.mark.parametrize("name", ["", "a/b.jpg", "a\\b.jpg", "a\nb.jpg", "x" * 121])
def test_a_file_has_a_name_without_folders(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        e.File(name=name, type="image/jpeg", size=1, sha256="5a" * 32)


def test_a_dossier_has_thirteen_parts_in_their_order() -> None:
    parts = [one.part for one in parts_of(Log().state)]
    assert parts == list(Part)
    assert (len(parts), parts[0], parts[-1]) == (13, Part.APPLICATION, Part.BACK_COVER)


@pytest.mark.parametrize(
    ("status", "lacks"),
    [
        (Status.REGISTERED, [Part.MEDIATION, Part.AGREEMENT]),
        (Status.MEDIATING, [Part.NOTICE, Part.IDENTITY, Part.AGREEMENT]),
        (Status.FAILED, [Part.NOTICE, Part.IDENTITY]),
        (Status.CLOSED, [Part.NOTICE, Part.IDENTITY]),
        (Status.WITHDRAWN, []),
    ],
)
def test_what_is_needed_follows_from_how_the_case_stands(status: Status, lacks: list[Part]) -> None:
    assert missing(in_status(status).state) == lacks


def test_terms_and_planned_visits_make_their_parts_needed() -> None:
    log = Log()
    log.accept()
    log.append(Kind.MEDIATED, mediated())
    filed(log, Part.NOTICE, Part.IDENTITY, Part.FULFILMENT)
    log.append(Kind.AGREED, e.Agreed(agreement="a", terms=(e.Term(text="t"),), visit_on=(DAY,)))
    assert missing(log.state) == [Part.FULFILMENT, Part.VISIT], "a receipt does not fulfil a term that nobody noted"
    assert missing(complete().state) == []


def test_what_is_printed_from_the_log_can_not_be_filed() -> None:
    log = Log()
    with pytest.raises(Refused, match="no-paper"):
        filed(log, Part.MEDIATION)
    assert log.state.filed == ()


def test_a_complete_dossier_is_archived_once_and_leaves_the_archive_when_the_case_is_reopened() -> None:
    log = complete()
    state = log.append(Kind.ARCHIVED, ARCHIVED)
    assert state.archive is not None
    assert (state.archive.retention, state.archive.explained) == (Retention.LONG, False)
    with pytest.raises(Refused, match="already-archived"):
        log.append(Kind.ARCHIVED, ARCHIVED)
    assert log.append(Kind.REOPENED, e.Reopened(reason="反悔")).archive is None
    with pytest.raises(Refused, match="wrong-status"):
        log.append(Kind.ARCHIVED, ARCHIVED)


def test_what_is_missing_must_be_explained() -> None:
    log = in_status(Status.CLOSED)
    with pytest.raises(Refused, match="dossier-incomplete") as refused:
        log.append(Kind.ARCHIVED, ARCHIVED)
    assert refused.value.members == {"dossier": [Part.NOTICE, Part.IDENTITY]}
    state = log.append(Kind.ARCHIVED, e.Archived(retention=Retention.SHORT, explanation="当场口头告知"))
    assert state.archive is not None
    assert Part.EXPLANATION in [one.part for one in parts_of(state) if one.there]
