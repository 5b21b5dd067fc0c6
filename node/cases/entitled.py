"""Who may ask the holder for what: the table's column ``asks``, applied to a request at the holder's node."""

from collections.abc import Mapping
from types import MappingProxyType

from node.access import relations_in
from node.accounts.roles import TABLE, Action, Relation
from protocol.case import CaseState
from protocol.centers import Tree
from protocol.errors import Refused
from protocol.requests import Ask

ACTIONS: Mapping[Ask, Action] = MappingProxyType(
    {
        Ask.NOTE: Action.note,
        Ask.URGE: Action.urge,
        Ask.ANSWER: Action.answer,
        Ask.JOINT_ACCEPT: Action.joint_accept,
        Ask.JOINT_DECLINE: Action.joint_decline,
        Ask.JOINT_ENTRY: Action.joint_entry,
        Ask.COUNTERSIGN: Action.countersign,
        Ask.HANDOFF_ACCEPT: Action.handoff_accept,
        Ask.HANDOFF_DECLINE: Action.handoff_decline,
        Ask.RECALL: Action.recall,
        Ask.VISIT: Action.follow_up,
        Ask.REOPEN: Action.reopen,
        Ask.ATTACH: Action.attach,
        Ask.LEAD_ORDER: Action.lead_order,
        Ask.RULE: Action.rule,
        Ask.ABSORB: Action.absorb,
        Ask.JUDGE_SUBSIDY: Action.judge_subsidy,
        Ask.VIEW: Action.view,
    }
)
"""The row of the table (``node.accounts.roles``) that says who may ask for it."""


def check_entitled(kind: Ask, state: CaseState, asker: str, tree: Tree) -> None:
    """Make sure that a center that asks for something stands to the case as the table says.

    Raises:
        Refused: with the relation that is missing.
    """
    action = ACTIONS[kind]
    asks = TABLE[action].asks
    if asks.isdisjoint(relations_in(state, asker, tree)):
        raise Refused(_reason(action, asks), center=asker)


def _reason(action: Action, asks: frozenset[Relation]) -> str:
    if action is Action.recall:
        return "not-last-sender"
    if Relation.full in asks:
        return "not-a-follower"
    if Relation.ancestor in asks:
        return "not-an-ancestor"
    return "not-invited" if Relation.invited in asks else "not-a-partner"
