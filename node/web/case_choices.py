"""What a form of a case offers to choose from, and what stands in it at first."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from node.accounts.roles import Action
from node.cases.stations import callable_stations, on_duty
from node.cases.working_days import add_working_days
from node.center import Center
from node.clock import LOCAL_ZONE
from node.i18n import N_, Language, translate
from node.web import party_rows
from node.web.case_action import CaseAction
from node.web.case_offers import open_calls, open_terms, open_urges
from node.web.case_view import CaseView, may_lead
from node.web.forms import Values
from node.web.times import date_words
from node.words import place_name, words
from protocol.dossier import FILEABLE
from protocol.policy import CHECKED

Choices = dict[str, list[tuple[str, str]]]
"""Field -> (value, words) pairs."""

LIMITS: Final = (
    (1, N_("simple: 1 working day, {day}")),
    (7, N_("ordinary: 7 working days, {day}")),
    (20, N_("complex: 20 working days, {day}")),
)
"""Time limits of an assignment by custom (DOMAIN.md), in working days."""


def limits_of(now: datetime, language: Language) -> list[tuple[str, str]]:
    """The limits to choose from, with their last days if it is delivered today; the empty one is a fixed day."""
    today = now.astimezone(LOCAL_ZONE).date()
    found = []
    for days, text in LIMITS:
        last = add_working_days(now, days).astimezone(LOCAL_ZONE).date()
        found.append((str(days), translate(language, text, day=date_words(last, today, language))))
    return [*found, ("", translate(language, N_("by a fixed day")))]


def choices_of(action: CaseAction, center: Center, case: CaseView, language: Language) -> Choices:
    """What the fields of this form offer."""
    found: Choices = {}
    for field in action.fields:
        if field.kind in ("center", "centers"):
            found[field.name] = _named(center, _centers(action, center, case))
        elif field.name == "urge_seq" and case.state is not None:
            entry = N_("entry {n}")
            found["urge_seq"] = [(str(n), translate(language, entry, n=n)) for n in open_urges(case.state)]
        elif field.name == "term" and case.state is not None:
            found["term"] = [(str(number), text) for number, text in open_terms(case.state)]
        elif field.name == "call_seq" and case.state is not None:
            found["call_seq"] = [(str(seq), name) for seq, name in open_calls(case.state, center.code)]
        elif field.name == "parts":
            found["parts"] = [(code, text) for code, text in words(language, "parts") if code in FILEABLE]
        elif field.name == "stations":
            found["stations"] = _stations(center)
        elif field.name == "triggers":
            claimable = center.policy.triggers - CHECKED
            found[field.name] = [(code, text) for code, text in words(language, field.words) if code in claimable]
        elif field.words:
            found[field.name] = words(language, field.words)
    return found


def _centers(action: CaseAction, center: Center, case: CaseView) -> Iterable[str]:
    """Who can be chosen: children, peers, or whoever takes part, by what is done."""
    tree = center.directory.tree
    match action.action:
        case Action.assign:
            return [code for code in tree.children(center.code) if tree.active(code)]
        case Action.lead_order:
            return may_lead(center, case.document)
        case _:
            level = tree.level(center.code)
            peers = [code for code in tree.claims if tree.active(code) and tree.level(code) == level]
            parent = tree.parent(center.code)
            partners = case.state.accepted_partners if case.state is not None else ()
            near = sorted(peers, key=lambda code: (code not in partners, tree.parent(code) != parent, code))
            return [code for code in near if code != center.code]


def _stations(center: Center) -> list[tuple[str, str]]:
    """Who can be called, those who are there today first."""
    now = center.clock.now()
    with center.database.read() as session:
        rows = callable_stations(session)
        return [(row.id, row.name) for row in sorted(rows, key=lambda row: not on_duty(row, now))]


def _named(center: Center, codes: Iterable[str]) -> list[tuple[str, str]]:
    """Codes with names, and the parent's name where it is not our own neighbourhood."""
    tree = center.directory.tree
    near = (center.code, tree.parent(center.code))
    found = []
    for code in codes:
        above = tree.parent(code)
        name = place_name(tree.name(code))
        far = above is not None and above not in near
        found.append((code, f"{place_name(tree.name(above))} {name}" if far and above is not None else name))
    return found


def first_values(action: CaseAction, case: CaseView, now: datetime) -> Values:
    """What stands in the form before anything was typed; ``now`` is local."""
    values: dict[str, str | list[str]] = {}
    document, state = case.document, case.state
    for field in action.fields:
        if field.name == "held_at":
            values["held_at"] = now.strftime("%Y-%m-%dT%H:%M")
        elif field.name == "urge_seq" and state is not None:
            values["urge_seq"] = str(next(iter(open_urges(state)), ""))
        elif field.name == "on":
            values["on"] = now.date().isoformat()
        elif field.name == "agreement_seq" and state is not None:
            values["agreement_seq"] = str(state.agreement_seq or "")
        elif action.action in (Action.correct, Action.grade) and hasattr(document, field.name):
            values[field.name] = str(getattr(document, field.name) or "")
    if action.action is Action.correct:
        values |= party_rows.shown(document.parties or [])
    return values
