"""The log of a case as a timeline: a word, a mark and a tone for each kind, and the body in lines of label and text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from node.cases.documents import CaseDocument
from node.cases.log import SYSTEM
from node.center import Center
from node.clock import LOCAL_ZONE
from node.i18n import N_, Language, joined, translate
from node.web import times
from node.words import place_name, word
from protocol.codes import PartyRole
from protocol.entries import Kind

Tone = Literal["", "move", "warned", "bad", "good"]

NameOf = Callable[[str], str]
"""The name of a center by its code."""

_MARKS: Final[Mapping[str, tuple[str, Tone]]] = {
    Kind.REGISTERED: ("plus", ""),
    Kind.GRADED: ("flag", ""),
    Kind.CORRECTED: ("pencil", ""),
    Kind.ACCEPTED: ("signature", ""),
    Kind.NOTED: ("note", ""),
    Kind.MEDIATED: ("messages", ""),
    Kind.AGREED: ("file-check", "good"),
    Kind.FULFILLED: ("check", "good"),
    Kind.COUNTERSIGNED: ("signature", "good"),
    Kind.FAILED: ("circle-x", "bad"),
    Kind.WITHDRAWN: ("arrow-back-up", "bad"),
    Kind.REFERRED: ("external-link", ""),
    Kind.CLOSED: ("archive", "good"),
    Kind.ABSORBED: ("copy", ""),
    Kind.REOPENED: ("refresh", ""),
    Kind.MERGED: ("copy", ""),
    Kind.INQUIRED: ("search", ""),
    Kind.FILED: ("files", ""),
    Kind.ATTACHED: ("paperclip", ""),
    Kind.ARCHIVED: ("archive", "good"),
    Kind.VISITED: ("phone-check", "good"),
    Kind.SUBSIDY_CLAIMED: ("file-text", ""),
    Kind.SUBSIDY_JUDGED: ("check", ""),
    Kind.VISIT_MISSED: ("clock-exclamation", "warned"),
    Kind.ESCALATED: ("arrow-up", "move"),
    Kind.ASSIGNED: ("arrow-down", "move"),
    Kind.RETURNED: ("corner-down-left", "move"),
    Kind.HANDED_OFF: ("arrows-exchange", "move"),
    Kind.DELIVERED: ("inbox", "move"),
    Kind.BOUNCED: ("alert-triangle", "warned"),
    Kind.RECALLED: ("arrow-back-up", "move"),
    Kind.EXTENDED: ("calendar-plus", ""),
    Kind.CALLED: ("bell", "move"),
    Kind.REPORTED: ("check", "good"),
    Kind.URGED: ("bell-ringing", "warned"),
    Kind.ANSWERED: ("check", ""),
    Kind.INVITED: ("users-group", ""),
    Kind.OFFERED: ("arrows-exchange", ""),
    Kind.JOINED: ("users-group", "good"),
    Kind.DECLINED: ("circle-x", "bad"),
    Kind.JOINT_NOTED: ("notes", ""),
    Kind.LEAD_ORDERED: ("flag", "warned"),
    Kind.RULED: ("flag", "warned"),
    Kind.VIEWED: ("eye", "warned"),
    Kind.RENUMBERED: ("hash", ""),
    Kind.REHOMED: ("building-community", "move"),
    Kind.REPLACED: ("building-community", ""),
}

_LABELS: Final[Mapping[str, str]] = {
    "to": N_("To"),
    "partners": N_("Partners"),
    "grade": N_("Risk"),
    "triggers": N_("Triggers"),
    "station": N_("Called"),
    "report_by": N_("Report by"),
    "call_seq": N_("On entry"),
    "number": N_("Number"),
    "rung": N_("Step"),
    "consented": N_("Agreed by"),
    "judged_by": N_("Judged by"),
    "departments": N_("Departments needed"),
    "held_at": N_("Held at"),
    "place": N_("Place"),
    "mediators": N_("Mediators"),
    "participants": N_("Present"),
    "inquirers": N_("Asked by"),
    "asked": N_("Who was asked"),
    "parts": N_("Parts of the dossier"),
    "name": N_("File"),
    "part": N_("Part of the dossier"),
    "pages": N_("Sheets"),
    "retention": N_("Kept for"),
    "members": N_("Members"),
    "method": N_("How"),
    "fulfilled": N_("Agreement fulfilled"),
    "satisfied": N_("Parties satisfied"),
    "yuan": N_("Yuan"),
    "shares": N_("Shares"),
    "approved": N_("Approved"),
    "relapsed": N_("Broke out again"),
    "danger": N_("Hidden danger"),
    "outcome": N_("Result"),
    "manner": N_("Form"),
    "terms": N_("Terms"),
    "term": N_("Term"),
    "on": N_("Fulfilled on"),
    "visit_on": N_("Planned visit"),
    "lead": N_("Leading official"),
    "department": N_("Responsible department"),
    "handler": N_("Handler"),
    "deadline": N_("Deadline"),
    "working_days": N_("Working days"),
    "due_on": N_("To be fulfilled by"),
    "reply_by": N_("Answer by"),
    "until": N_("Until"),
    "urge_seq": N_("On entry"),
    "agreement_seq": N_("On entry"),
    "title": N_("In one sentence"),
    "category": N_("Type"),
    "source": N_("Source"),
    "description": N_("What happened"),
    "parties": N_("Parties"),
    "into": N_("Into"),
    "former": N_("Merged center"),
    "successor": N_("Successor"),
    "display_number": N_("Number"),
    "old_number": N_("Old number"),
}
"""What stands with its label, in this order; the texts below stand for themselves."""

_TEXTS: Final = ("summary", "task", "agreement", "text", "instructions", "note", "explanation", "reason")

_PARTY_ROLES: Final = frozenset(PartyRole)
_CENTERS: Final = frozenset({"to", "partners", "former", "successor"})
_DAYS: Final = frozenset({"due_on", "on", "visit_on"})
_INSTANTS: Final = frozenset({"held_at", "deadline", "reply_by", "report_by", "until"})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of the timeline.

    Attributes:
        seq: its number in the log.
        kind: word for what happened.
        icon: its mark.
        tone: colour of the mark.
        at: when.
        center: code of the center whose person did it.
        actor: the person; empty for what a node does by itself.
        facts: label and text.
        texts: what people wrote.
    """

    seq: int
    kind: str
    icon: str
    tone: Tone
    at: datetime
    center: str
    actor: str
    facts: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]


class LogWriter:
    """Turns entries into lines for one reader."""

    def __init__(self, language: Language, now: datetime, name_of: NameOf) -> None:
        self._language = language
        self._now = now
        self._name_of = name_of

    def line(
        self, *, seq: int, kind: str, at: datetime, center: str, actor: str, data: Mapping[str, object] | None
    ) -> LogLine:
        """The line of an entry; ``data`` is its body as the API shows it, None where the body was purged."""
        icon, tone = _MARKS.get(kind, ("circle", ""))
        facts = tuple(self._facts(kind, data or {}))
        texts = tuple(str(data[name]) for name in _TEXTS if data and data.get(name))
        actor = "" if actor == SYSTEM else actor
        request = (data or {}).get("request")
        if isinstance(request, Mapping):  # the person who asked stands there, and belongs to the asking center
            center = str(request["center"])
        return LogLine(seq, word(self._language, "kind", kind), icon, tone, at, center, actor, facts, texts)

    def _facts(self, kind: str, data: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        if kind == Kind.REGISTERED:
            return
        changes = data.get("changes")
        if isinstance(changes, Mapping):
            data = {**data, **changes}
        for name, label in _LABELS.items():
            value = data.get(name)
            if value is None or value in ("", []):
                continue
            yield translate(self._language, label), self._shown(kind, name, value)

    def _shown(self, kind: str, name: str, value: object) -> str:
        if name in _CENTERS and not (name == "to" and kind == Kind.REFERRED):
            return self._many(value, self._name_of)
        if name in ("grade", "triggers", "category", "source", "rung", "manner", "part", "parts", "retention"):
            words = "parts" if name == "part" else name
            return self._many(value, lambda code: word(self._language, words, code))
        if isinstance(value, bool):
            return translate(self._language, N_("yes") if value else N_("no"))
        if name in _INSTANTS:
            return times.when(_instant(value), self._now, self._language)
        if name in _DAYS:
            return self._many(value, self._day)
        if name == "shares" and isinstance(value, Sequence):
            shares = (f"{one['mediator']} {one['yuan']}" for one in value if isinstance(one, Mapping))
            return joined(self._language, shares)
        if name == "terms" and isinstance(value, Sequence):
            return joined(self._language, (self._term(item) for item in value if isinstance(item, Mapping)))
        return self._many(value, str)

    def _day(self, value: str) -> str:
        today = self._now.astimezone(LOCAL_ZONE).date()
        return times.date_words(date.fromisoformat(value), today, self._language)

    def _term(self, item: Mapping[str, object]) -> str:
        """A term in one line: what, how much, until when."""
        parts = [str(item["text"])]
        if item.get("amount") is not None:
            parts.append(translate(self._language, N_("{amount} yuan"), amount=item["amount"]))
        if item.get("due_on"):
            parts.append(self._day(str(item["due_on"])))
        return " · ".join(parts)

    def _many(self, value: object, shown: Callable[[str], str]) -> str:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return joined(self._language, (shown(_name(item)) for item in value))
        return shown(str(value))


def _name(item: object) -> str:
    """A member by name and role, a party by name, anything else as it is."""
    if not isinstance(item, Mapping):
        return str(item)
    role = item.get("role")
    named = role and role not in _PARTY_ROLES
    return f"{item.get('name')}（{role}）" if named else str(item.get("name"))


def _instant(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def log_lines(center: Center, document: CaseDocument, language: Language) -> list[LogLine]:
    """The timeline of a case, the newest entry first."""
    tree = center.directory.tree
    writer = LogWriter(language, center.clock.now(), lambda code: place_name(tree.name(code)))
    return [
        writer.line(
            seq=entry.seq,
            kind=entry.kind,
            at=entry.at,
            center=entry.center,
            actor=entry.actor,
            data=entry.data,
        )
        for entry in reversed(document.log or [])
    ]
