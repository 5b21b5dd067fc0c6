"""A joint mediation as its page shows it: the agreement and who has signed, sessions, each side with its people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from node.cases.documents import LogEntry
from node.i18n import Language, joined
from node.web.case_view import CaseView
from protocol.case import PartnerStatus
from protocol.codes import Status
from protocol.entries import Kind, Member


@dataclass(frozen=True, slots=True)
class Session:
    """A mediation session."""

    number: int
    held_at: datetime
    place: str
    mediators: str
    summary: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Side:
    """One center of the task force."""

    center: str
    leads: bool
    status: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class JointView:
    """A joint mediation.

    Attributes:
        agreement: its text; empty where there is none yet.
        agreed_at: when it was recorded.
        complete: whether everybody who must has signed.
        sessions: the newest first.
        sides: the lead first.
    """

    agreement: str
    agreed_at: datetime | None
    complete: bool
    sessions: tuple[Session, ...]
    sides: tuple[Side, ...]


def joint_view(case: CaseView, language: Language) -> JointView | None:
    """The joint mediation of this case; None where there is none, or its log can't be read here."""
    state, document = case.state, case.document
    if state is None or document.joint is None:
        return None
    log = document.log or []
    agreed = next((entry for entry in log if entry.seq == state.agreement_seq), None)
    stands = agreed is not None and state.status in (Status.AGREED, Status.CLOSED)
    return JointView(
        agreement=str((agreed.data or {}).get("agreement", "")) if agreed is not None and stands else "",
        agreed_at=agreed.at if agreed is not None and stands else None,
        complete=stands and not state.missing_countersignatures(),
        sessions=_sessions(log, language),
        sides=_sides(case),
    )


def _sessions(log: Sequence[LogEntry], language: Language) -> tuple[Session, ...]:
    held = [entry.data or {} for entry in log if entry.kind == Kind.MEDIATED]
    sessions = [
        Session(
            number=number,
            held_at=datetime.fromisoformat(str(data["held_at"])),
            place=str(data.get("place", "")),
            mediators=joined(language, _texts(data.get("mediators"))),
            summary=str(data.get("summary", "")),
            outcome=str(data.get("outcome") or ""),
        )
        for number, data in enumerate(held, 1)
        if data.get("held_at")
    ]
    return tuple(reversed(sessions))


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _sides(case: CaseView) -> tuple[Side, ...]:
    state = case.state
    assert state is not None
    lead = state.holder or state.in_transit_to or state.origin
    statuses = {lead: PartnerStatus.ACCEPTED, **{code: partner.status for code, partner in state.partners.items()}}
    return tuple(
        Side(code, code == lead, status.value, tuple(one for one in state.members if one.center == code))
        for code, status in statuses.items()
    )
