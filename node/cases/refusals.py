"""How a refusal of the protocol's rules is told to a person: problem type, status and words."""

from typing import cast

from node.i18n import N_
from node.problems import Member, Problem
from protocol.errors import Refused

_TOLD: dict[str, tuple[int, str, str]] = {
    "not-holder": (409, N_("not-holder"), N_("This center does not hold the case.")),
    "stale-epoch": (409, N_("stale-epoch"), N_("The case has moved on to epoch {epoch} since.")),
    "wrong-status": (409, N_("wrong-status"), N_("The case is {status}; this can't be done now.")),
    "not-accepted": (409, "wrong-status", N_("Accept the case first.")),
    "already-accepted": (409, "wrong-status", N_("{accepted_by} has already accepted the case.")),
    "not-countersigned": (409, N_("not-countersigned"), N_("Not yet countersigned by: {missing}.")),
    "escalation-gated": (
        409,
        N_("escalation-gated"),
        N_(
            "The case may not go up yet. Missing: {missing}. A mediation attempt or a trigger that holds opens the way."
        ),
    ),
    "nothing-to-return-to": (
        409,
        N_("nothing-to-return-to"),
        N_("Nobody gave this case to us; there is nobody to return it to."),
    ),
    "no-parent": (409, N_("no-parent"), N_("There is no center above this one.")),
    "unreachable": (
        409,
        N_("unreachable"),
        N_("{center} can't be reached: it takes no part in the federation any more."),
    ),
    "retired": (
        409,
        N_("retired"),
        N_("{center} was merged into {successor}; turn to that center."),
    ),
    "to-self": (422, "invalid", N_("A case can't be given to the center that holds it.")),
    "not-the-sender": (409, N_("not-the-sender"), N_("Only {expected} can get the case back.")),
    "stale-agreement": (409, N_("stale-agreement"), N_("This is not the present agreement (entry {agreement_seq}).")),
    "not-a-partner": (409, N_("not-a-partner"), N_("{center} takes no part in the joint mediation.")),
    "not-invited": (409, N_("not-invited"), N_("{center} has no open invitation.")),
    "no-such-urge": (409, N_("no-such-urge"), N_("Entry {seq} is no supervision order.")),
    "no-such-visit": (409, N_("no-such-visit"), N_("No visit is planned for {day}, or it was made or missed already.")),
    "no-such-term": (422, "invalid", N_("The agreement has no term {term}.")),
    "already-fulfilled": (409, N_("already-fulfilled"), N_("Term {term} is fulfilled already.")),
    "ruling-needed": (
        409,
        N_("ruling-needed"),
        N_("The case was returned {returns} times already; a superior rules who deals with it."),
    ),
    "not-disputed": (
        409,
        N_("not-disputed"),
        N_("The case was returned {returns} times; there is nothing to rule yet."),
    ),
    "same-case": (422, "invalid", N_("A case is no duplicate of itself.")),
    "already-merged": (409, N_("already-merged"), N_("{number} was merged already.")),
    "first-stays": (
        409,
        N_("first-stays"),
        N_("{number} was registered later; whoever has it merges it into this one."),
    ),
    "report-by-passed": (422, "invalid", N_("The time to report has passed already.")),
    "no-such-call": (409, N_("no-such-call"), N_("Entry {seq} is no call of this center.")),
    "already-reported": (409, N_("already-reported"), N_("{station} has reported already.")),
    "no-subsidy": (409, N_("no-subsidy"), N_("The rules pay no subsidy for a case of this grade.")),
    "already-claimed": (
        409,
        N_("already-claimed"),
        N_("The subsidy of this case was claimed already; one dispute pays once."),
    ),
    "dossier-incomplete": (409, N_("dossier-incomplete"), N_("The dossier is not complete yet. Missing: {dossier}.")),
    "no-paper": (422, "invalid", N_("The part {dossier} is printed from the log; nothing is put in.")),
    "too-many-attachments": (409, N_("too-many-attachments"), N_("A case has at most {limit} attachments.")),
    "already-archived": (409, N_("already-archived"), N_("The dossier is in the archive already.")),
    "wrong-shares": (422, "invalid", N_("The shares must add up to {yuan} yuan.")),
    "no-such-claim": (409, N_("no-such-claim"), N_("No claim of a subsidy waits here.")),
    "no-deadline": (409, N_("no-deadline"), N_("The case has no deadline that could be put off.")),
    "deadline-passed": (
        409,
        N_("deadline-passed"),
        N_("The deadline has passed already; it can't be put off any more."),
    ),
    "not-later": (422, "invalid", N_("The new deadline must be later than the present one.")),
    "later-than-giver": (
        409,
        N_("later-than-giver"),
        N_("The new deadline is later than that of {center}, which gave the case."),
    ),
    "no-such-party": (422, "invalid", N_("{name} is no party of this case.")),
    "no-consent": (409, N_("no-consent"), N_("Both sides must agree. Missing: {party_role}.")),
    "recall-too-late": (409, N_("recall-too-late"), N_("{accepted_by} has already accepted the case there.")),
    "not-last-sender": (
        409,
        N_("not-last-sender"),
        N_("Only the center that made the last transfer can recall the case."),
    ),
    "not-an-ancestor": (409, N_("not-an-ancestor"), N_("Only a center above the holder can do this.")),
    "not-a-follower": (
        409,
        N_("not-a-follower"),
        N_("Only a center that held the case or mediates jointly can do this."),
    ),
    "holder-cannot-ask": (409, N_("holder-cannot-ask"), N_("The holder itself can't do this.")),
    "custody-frozen": (
        409,
        N_("custody-frozen"),
        N_("Custody is frozen: this center's database seems to have gone back in time."),
    ),
    "recovering": (
        409,
        N_("recovering"),
        N_(
            "This center lost its database and is getting its cases back. Others may know more of this case: "
            "{centers}. It can be worked on as soon as they have told."
        ),
    ),
    "unknown-case": (409, N_("unknown-case"), N_("The center that should hold the case does not know it.")),
}


def problem_of(refused: Refused) -> Problem:
    """The problem that tells of a refusal, with the current holder or destination where it matters."""
    status, type_, detail = _TOLD[refused.reason]
    members = cast("dict[str, Member]", refused.members)
    if "status" in members:
        members = {**members, "case_status": members["status"]}
    return Problem(status, type_, detail, **members)


def too_large() -> Problem:
    """The problem that tells of a body over 32 KB."""
    return Problem(422, N_("too-large"), N_("All texts of one entry together may take 32 KB."))


def told(reason: str) -> str:
    """The catalog message of a reason; the reason itself where it is free text."""
    return _TOLD[reason][2] if reason in _TOLD else reason
