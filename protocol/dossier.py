"""The dossier (卷宗) of a case: its thirteen parts, which of them this case needs, and which are there.

The order is that of 《人民调解文书格式》 (司发通〔2010〕239号). What the log knows is printed from it; what exists
on paper alone (a signed notice, a copy of an identity card) is there once somebody has written down that it was put in.
"""

from typing import Any

from protocol.case import Archive, CaseState, Outcome
from protocol.codes import Part, Status
from protocol.entries import ATTACHMENTS_MAX, Archived, Attached, Entry, Filed
from protocol.errors import Refused
from protocol.records import Frozen

FILEABLE = frozenset(
    {
        Part.NOTICE,
        Part.IDENTITY,
        Part.AUTHORISATION,
        Part.EVIDENCE,
        Part.FULFILMENT,
        Part.CONFIRMATION,
        Part.EXPLANATION,
    }
)
"""Parts that come as paper; the others are printed from the log."""


class PartState(Frozen):
    """Where a part of the dossier stands: whether this case needs it, and whether it is there."""

    part: Part
    needed: bool
    there: bool

    @property
    def missing(self) -> bool:
        """Whether it is needed and not there."""
        return self.needed and not self.there


def parts_of(state: CaseState) -> tuple[PartState, ...]:
    """All thirteen parts in their order."""
    agreement = state.agreement if state.agreement_seq is not None else None
    mediated = state.mediations > 0
    needed = {
        Part.APPLICATION: True,
        Part.NOTICE: mediated,
        Part.IDENTITY: mediated,
        Part.MEDIATION: mediated or state.end is None or state.end.outcome in (Outcome.SUCCEEDED, Outcome.FAILED),
        Part.AGREEMENT: _needs_agreement(state),
        Part.FULFILMENT: agreement is not None and bool(agreement.terms),
        Part.VISIT: bool(state.visit_plan.days),
        Part.BACK_COVER: True,
    }
    there = {
        Part.APPLICATION: True,
        Part.INQUIRY: state.inquiries > 0,
        Part.MEDIATION: mediated,
        Part.AGREEMENT: agreement is not None,
        Part.FULFILMENT: agreement is not None and len(agreement.fulfilled) == len(agreement.terms) > 0,
        Part.VISIT: bool(state.visit_plan.kept),
        Part.EXPLANATION: state.archive is not None and state.archive.explained,
        Part.BACK_COVER: True,
    }
    filed = {part for part in state.filed if part is not Part.FULFILMENT or not needed[part]}
    return tuple(
        PartState(part=part, needed=needed.get(part, False), there=there.get(part, False) or part in filed)
        for part in Part
    )


def _needs_agreement(state: CaseState) -> bool:
    if state.end is not None:
        return state.end.outcome is Outcome.SUCCEEDED
    return state.status is not Status.FAILED


def missing(state: CaseState) -> list[Part]:
    """Parts that this case needs and that are not there."""
    return [one.part for one in parts_of(state) if one.missing]


def filed(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``filed``.

    Raises:
        Refused: ``no-paper`` for a part that is printed from the log.
    """
    body = entry.body
    assert isinstance(body, Filed)
    for part in body.parts:
        if part not in FILEABLE:
            raise Refused("no-paper", dossier=part)
    return {"filed": tuple(part for part in Part if part in {*state.filed, *body.parts})}


def attached(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``attached``: a picture of a paper stands for the paper.

    Raises:
        Refused: ``too-many-attachments``.
    """
    body = entry.body
    assert isinstance(body, Attached)
    if state.attachments >= ATTACHMENTS_MAX:
        raise Refused("too-many-attachments", limit=ATTACHMENTS_MAX)
    filed = {*state.filed, body.part} if body.part in FILEABLE else set(state.filed)
    return {"attachments": state.attachments + 1, "filed": tuple(part for part in Part if part in filed)}


def archived(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``archived``.

    Raises:
        Refused: ``already-archived``; ``dossier-incomplete`` where parts are missing and nobody explains why.
    """
    body = entry.body
    assert isinstance(body, Archived)
    if state.archive is not None:
        raise Refused("already-archived")
    explained = body.explanation is not None
    if (lacks := missing(state)) and not explained:
        raise Refused("dossier-incomplete", dossier=lacks)
    return {"archive": Archive(at=entry.head.at, retention=body.retention, explained=explained)}
