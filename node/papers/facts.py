"""What papers say of a case: facts as their templates name them, all of them texts.

A fact without a value is what stands on a blank form: nothing, or the marks between which a date is written by hand.
Papers are Chinese whatever the reader's language is: they are the forms of 《人民调解文书格式》 (司发通〔2010〕239号).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from node.cases.documents import CaseDocument, LogEntry
from node.center import Center
from node.clock import LOCAL_ZONE
from node.i18n import N_, translate
from node.words import place_name, word
from protocol.codes import Part, PartyRole
from protocol.dossier import PartState
from protocol.entries import Kind, Party

BLANK_DAY: Final = "　　　　年　　月　　日"
LANGUAGE: Final = "zh-CN"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]|[\ud800-\udfff]")
"""What XML can't hold, and what templates take for page and paragraph ends."""


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """A party (当事人)."""

    name: str = ""
    role: str = ""
    phone: str = ""
    address: str = ""
    id_number: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """A mediation session (调解)."""

    day: str = BLANK_DAY
    place: str = ""
    mediators: str = ""
    participants: str = ""
    summary: str = ""
    outcome: str = ""
    recorder: str = ""


@dataclass(frozen=True, kw_only=True)
class InquiryFacts:
    """Somebody who was asked (调查)."""

    day: str = BLANK_DAY
    place: str = ""
    inquirers: str = ""
    asked: str = ""
    text: str = ""
    recorder: str = ""


@dataclass(frozen=True, kw_only=True)
class TermFacts:
    """A term of the agreement and its fulfilment (履行)."""

    number: str = ""
    text: str = ""
    amount: str = ""
    due_on: str = ""
    by: str = ""
    fulfilled_on: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class VisitFacts:
    """A follow-up visit (回访)."""

    day: str = BLANK_DAY
    method: str = ""
    fulfilled: str = ""
    satisfied: str = ""
    danger: str = ""
    note: str = ""
    visitor: str = ""


@dataclass(frozen=True, kw_only=True)
class FilingFacts:
    """Papers that were put into the dossier (归卷), and files that belong to it."""

    day: str = ""
    pages: str = ""
    note: str = ""
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class ContentFacts:
    """A line of the table of contents (卷内目录)."""

    number: str
    title: str
    there: str = ""
    pages: str = ""


_ROWS: Final = 3
"""Empty rows of a table on a blank form."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that templates may name; the defaults are those of a blank form."""

    center: str = ""
    year: str = "　　　　"
    number: str = ""
    full_number: str = ""
    title: str = ""
    category: str = ""
    grade: str = ""
    source: str = ""
    place: str = ""
    description: str = ""
    registered_on: str = BLANK_DAY
    occurred_on: str = BLANK_DAY
    registrar: str = ""
    accepted_on: str = BLANK_DAY
    handler: str = ""
    mediators: str = ""
    names: str = ""
    applicants: tuple[PersonFacts, ...] = (PersonFacts(),)
    respondents: tuple[PersonFacts, ...] = (PersonFacts(),)
    parties: tuple[PersonFacts, ...] = (PersonFacts(role="申请人"), PersonFacts(role="被申请人"))
    sessions: tuple[SessionFacts, ...] = (SessionFacts(),)
    inquiries: tuple[InquiryFacts, ...] = (InquiryFacts(),)
    agreement: str = ""
    agreed_on: str = BLANK_DAY
    due_on: str = ""
    terms: tuple[TermFacts, ...] = (TermFacts(),) * _ROWS
    countersigned: str = ""
    visits: tuple[VisitFacts, ...] = (VisitFacts(),)
    identity: tuple[FilingFacts, ...] = (FilingFacts(),) * _ROWS
    evidence: tuple[FilingFacts, ...] = (FilingFacts(),) * _ROWS
    contents: tuple[ContentFacts, ...] = ()
    outcome: str = ""
    ended_on: str = BLANK_DAY
    retention: str = ""
    archived_on: str = BLANK_DAY
    archivist: str = ""
    explanation: str = ""


def facts_of(center: Center, case: CaseDocument, parts: tuple[PartState, ...]) -> Facts:
    """The facts of a case that this center reads whole."""
    return _Reader(center, case).facts(parts)


def blank_facts(center: Center) -> Facts:
    """What stands on a blank form of this center."""
    return Facts(center=_center_name(center), contents=contents_of(()))


def contents_of(parts: tuple[PartState, ...]) -> tuple[ContentFacts, ...]:
    """The table of contents; without a case all parts, to be marked by hand."""
    there = {one.part: one.there for one in parts}
    return tuple(
        ContentFacts(number=str(number), title=word(LANGUAGE, "parts", part), there="有" if there.get(part) else "")
        for number, part in enumerate(Part, start=1)
    )


def _center_name(center: Center) -> str:
    return translate(LANGUAGE, N_("{place} center"), place=place_name(center.name))


class _Reader:
    """Reads one case's log into facts."""

    def __init__(self, center: Center, case: CaseDocument) -> None:
        self._center = center
        self._case = case
        self._log = case.log or []

    def facts(self, parts: tuple[PartState, ...]) -> Facts:
        """All facts."""
        case = self._case
        people = tuple(_person(party) for party in case.parties or [])
        applicants = tuple(one for one in people if one.role == _role(PartyRole.APPLICANT))
        respondents = tuple(one for one in people if one.role == _role(PartyRole.RESPONDENT))
        sessions = tuple(self._session(entry) for entry in self._all(Kind.MEDIATED))
        accepted, ended = self._last(Kind.ACCEPTED), self._end()
        archived = self._last(Kind.ARCHIVED)
        return Facts(
            center=_center_name(self._center),
            year=str(case.registered_at.astimezone(LOCAL_ZONE).year),
            number=case.display_number,
            full_number=case.number,
            title=plain(case.title),
            category=word(LANGUAGE, "category", case.category),
            grade=word(LANGUAGE, "grade", case.grade),
            source=word(LANGUAGE, "source", case.source),
            place=plain(case.place),
            description=plain(case.description),
            registered_on=day_of(case.registered_at),
            occurred_on=day_of(case.occurred_at) if case.occurred_at else BLANK_DAY,
            registrar=self._log[0].actor if self._log else "",
            accepted_on=day_of(accepted.at) if accepted else BLANK_DAY,
            handler=plain(case.accepted_by),
            mediators=sessions[-1].mediators if sessions else plain(case.accepted_by),
            names="、".join(one.name for one in people),
            applicants=applicants or people[:1],
            respondents=respondents or people[1:2] or (PersonFacts(),),
            parties=people,
            sessions=sessions or (SessionFacts(),),
            inquiries=tuple(self._inquiry(entry) for entry in self._all(Kind.INQUIRED)) or (InquiryFacts(),),
            agreement=self._agreement("agreement"),
            agreed_on=day_of(case.agreement.at) if case.agreement else BLANK_DAY,
            due_on=_iso_day(self._agreement("due_on")),
            terms=self._terms(),
            countersigned="、".join(self._partners()),
            visits=tuple(self._visit(entry) for entry in self._all(Kind.VISITED)) or (VisitFacts(),),
            identity=self._filings(Part.IDENTITY),
            evidence=self._filings(Part.EVIDENCE),
            contents=contents_of(parts),
            outcome=word(LANGUAGE, "status", case.status) if ended else "",
            ended_on=day_of(ended.at) if ended else BLANK_DAY,
            retention=word(LANGUAGE, "retention", _text(archived, "retention")) if archived else "",
            archived_on=day_of(archived.at) if archived else BLANK_DAY,
            archivist=archived.actor if archived else "",
            explanation=self._explanation(archived),
        )

    def _all(self, kind: Kind) -> list[LogEntry]:
        return [entry for entry in self._log if entry.kind == kind and entry.data is not None]

    def _last(self, kind: Kind) -> LogEntry | None:
        return next(iter(self._all(kind)[::-1]), None)

    def _end(self) -> LogEntry | None:
        ends = (Kind.CLOSED, Kind.WITHDRAWN, Kind.REFERRED)
        if self._case.status not in {kind.value for kind in ends}:
            return None
        return next((entry for entry in reversed(self._log) if entry.kind in ends), None)

    def _session(self, entry: LogEntry) -> SessionFacts:
        return SessionFacts(
            day=time_of(_text(entry, "held_at")),
            place=_text(entry, "place"),
            mediators=_names(entry, "mediators"),
            participants=_names(entry, "participants") or self._people(),
            summary=_text(entry, "summary"),
            outcome=_text(entry, "outcome"),
            recorder=entry.actor,
        )

    def _people(self) -> str:
        return "、".join(plain(party.name) for party in self._case.parties or [])

    @staticmethod
    def _inquiry(entry: LogEntry) -> InquiryFacts:
        return InquiryFacts(
            day=time_of(_text(entry, "held_at")),
            place=_text(entry, "place"),
            inquirers=_names(entry, "inquirers"),
            asked=_text(entry, "asked"),
            text=_text(entry, "text"),
            recorder=entry.actor,
        )

    def _agreement(self, name: str) -> str:
        entry = next((entry for entry in self._log if entry.seq == self._case.agreement_seq), None)
        return _text(entry, name)

    def _terms(self) -> tuple[TermFacts, ...]:
        case = self._case
        if case.agreement is None or not case.agreement.terms:
            return (TermFacts(),) * _ROWS
        done = {
            int(str((entry.data or {})["term"])): entry
            for entry in self._all(Kind.FULFILLED)
            if (entry.data or {}).get("agreement_seq") == case.agreement_seq
        }
        return tuple(
            TermFacts(
                number=str(number),
                text=plain(term.text),
                amount=f"{term.amount}元" if term.amount is not None else "",
                due_on=_day(term.due_on) if term.due_on else "",
                by=plain(term.by),
                fulfilled_on=_iso_day(_text(done.get(number), "on")),
                note=_text(done.get(number), "note"),
            )
            for number, term in enumerate(case.agreement.terms, start=1)
        )

    def _partners(self) -> list[str]:
        joint = self._case.joint
        signed = [partner.code for partner in joint.partners if partner.countersigned] if joint else []
        tree = self._center.directory.tree
        return [place_name(tree.name(code)) for code in signed]

    @staticmethod
    def _visit(entry: LogEntry) -> VisitFacts:
        return VisitFacts(
            day=time_of(_text(entry, "held_at")),
            method=_text(entry, "method"),
            fulfilled=_truth(entry, "fulfilled"),
            satisfied=_truth(entry, "satisfied"),
            danger=_text(entry, "danger"),
            note=_text(entry, "note"),
            visitor=entry.actor,
        )

    def _filings(self, part: Part) -> tuple[FilingFacts, ...]:
        found = tuple(
            FilingFacts(
                day=day_of(entry.at),
                pages=_text(entry, "pages"),
                note="，".join(text for text in (_text(entry, "name"), _text(entry, "note")) if text),
                by=entry.actor,
            )
            for entry in (*self._all(Kind.FILED), *self._all(Kind.ATTACHED))
            if part in (*_list(entry, "parts"), _text(entry, "part"))
        )
        return found or (FilingFacts(),) * _ROWS

    def _explanation(self, archived: LogEntry | None) -> str:
        notes = [_text(entry, "note") for entry in self._all(Kind.FILED) if "explanation" in _list(entry, "parts")]
        return "\n".join(text for text in (*notes, _text(archived, "explanation")) if text)


def _person(party: Party) -> PersonFacts:
    return PersonFacts(
        name=plain(party.name),
        role=_role(party.role),
        phone=plain(party.phone),
        address=plain(party.address),
        id_number=plain(party.id_number),
    )


def _role(role: PartyRole) -> str:
    return word(LANGUAGE, "party_role", role)


def _data(entry: LogEntry | None) -> Mapping[str, object]:
    return (entry.data or {}) if entry is not None else {}


def _text(entry: LogEntry | None, name: str) -> str:
    return plain(_data(entry).get(name))


def _list(entry: LogEntry, name: str) -> list[object]:
    found = _data(entry).get(name)
    return found if isinstance(found, list) else []


def _names(entry: LogEntry, name: str) -> str:
    return "、".join(plain(one) for one in _list(entry, name))


def _truth(entry: LogEntry, name: str) -> str:
    value = _data(entry).get(name)
    return "" if value is None else "是" if value else "否"


def plain(value: object) -> str:
    """A text as Word can hold it: without what XML forbids; line ends stay."""
    return "" if value is None else _CONTROL.sub("", str(value).replace("\r\n", "\n"))


def _day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def day_of(at: datetime) -> str:
    """The local day of an instant, as papers write it."""
    return _day(at.astimezone(LOCAL_ZONE).date())


def time_of(text: str) -> str:
    """Local day and time of an instant that stands in a log."""
    if not text:
        return BLANK_DAY
    at = datetime.fromisoformat(text).astimezone(LOCAL_ZONE)
    return f"{_day(at.date())}{at.hour}时{at.minute:02d}分"


def _iso_day(text: str) -> str:
    return _day(date.fromisoformat(text)) if text else ""
