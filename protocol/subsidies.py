"""Mediation subsidies (以案定补): what a settled case earns, what is missing for it, and how it is shared.

The policy says how much, flat or by grade; a case that ended settled earns it once, whoever mediated and however often
it is reopened, as soon as its dossier is complete. A claim that was turned down may be made again.
"""

from typing import Any

from protocol import dossier
from protocol.case import CaseState, Outcome, Subsidy, SubsidyState
from protocol.entries import Entry, Share, SubsidyClaimed, SubsidyJudged
from protocol.errors import Refused
from protocol.policy import Policy


def missing(state: CaseState) -> list[str]:
    """What a claim lacks, as stable codes: ``settled``, and the missing parts of the dossier."""
    settled = state.end is not None and state.end.outcome is Outcome.SUCCEEDED
    return [*(() if settled else ("settled",)), *dossier.missing(state)]


def claim(policy: Policy, state: CaseState, mediators: dict[str, list[str]]) -> SubsidyClaimed:
    """The claim of this case.

    Args:
        policy: of the holder.
        state: the case.
        mediators: who shares it, by center; the holder and accepted partners only.

    Raises:
        Refused: ``no-subsidy``, ``already-claimed``, ``dossier-incomplete`` with what is missing, ``not-a-partner``.
    """
    yuan = policy.subsidy(state.grade)
    if not yuan:
        raise Refused("no-subsidy")
    _must_be_open(state)
    if lacks := missing(state):
        raise Refused("dossier-incomplete", dossier=lacks)
    for center in mediators:
        if center != state.holder and center not in state.accepted_partners:
            raise Refused("not-a-partner", center=center)
    people = [(center, name) for center, names in mediators.items() for name in dict.fromkeys(names)]
    return SubsidyClaimed(yuan=yuan, shares=_shared(yuan, people))


def _shared(yuan: int, people: list[tuple[str, str]]) -> tuple[Share, ...]:
    """Equal shares in whole yuan; what is left over goes to the first ones, one each."""
    each, over = divmod(yuan, len(people))
    return tuple(
        Share(center=center, mediator=name, yuan=each + (place < over)) for place, (center, name) in enumerate(people)
    )


def _must_be_open(state: CaseState) -> None:
    if state.subsidy is not None and state.subsidy.state is not SubsidyState.REJECTED:
        raise Refused("already-claimed", state=state.subsidy.state)


def claimed(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``subsidy_claimed``.

    Raises:
        Refused: ``already-claimed``, ``dossier-incomplete``, ``wrong-shares`` where the shares are not the whole.
    """
    body = entry.body
    assert isinstance(body, SubsidyClaimed)
    _must_be_open(state)
    if lacks := missing(state):
        raise Refused("dossier-incomplete", dossier=lacks)
    if sum(share.yuan for share in body.shares) != body.yuan:
        raise Refused("wrong-shares", yuan=body.yuan)
    return {"subsidy": Subsidy(seq=entry.head.seq, at=entry.head.at, yuan=body.yuan, shares=body.shares)}


def judged(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``subsidy_judged``.

    Raises:
        Refused: ``no-such-claim``.
    """
    body, subsidy = entry.body, state.subsidy
    assert isinstance(body, SubsidyJudged)
    if subsidy is None or subsidy.seq != body.claim_seq or subsidy.state is not SubsidyState.CLAIMED:
        raise Refused("no-such-claim", seq=body.claim_seq)
    reached = SubsidyState.APPROVED if body.approved else SubsidyState.REJECTED
    return {"subsidy": subsidy.model_copy(update={"state": reached})}
