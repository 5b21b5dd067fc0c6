"""Policies of this center and those above it: kept in every version, obeyed in the newest, told to those below.

A new order goes to all children in the transaction that stores it, and each child passes it on in the transaction
that brings it; a child that is offline gets it with everything else that waits. A new child gets the newest ones when
it is enrolled.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from node.db import Base
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import Policies
from protocol.policy import Policy
from protocol.policy_order import PolicyClaims, PolicyOrder, check, issue, looser, read, strictest

if TYPE_CHECKING:
    from node.center import Center
    from node.unit import Unit

TABLE = "policies"


class PolicyRow(Base):
    """A policy as its issuer signed it; all versions are kept, so that anybody can tell what held on a day."""

    __tablename__ = "policies"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    claims: Mapped[str] = mapped_column(Text)
    signature: Mapped[str]
    issued_at: Mapped[datetime]


class LooserThanAbove(Exception):
    """A policy asks for less than the one above it; ``fields`` says in what."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = tuple(fields)


def newest(session: Session) -> dict[str, PolicyClaims]:
    """The newest policy of each issuer."""
    rows = session.scalars(select(PolicyRow).order_by(PolicyRow.issuer, PolicyRow.version))
    return {row.issuer: read(_order(row)) for row in rows}


def history(session: Session) -> list[PolicyClaims]:
    """All policies that ever held here, the newest first."""
    rows = session.scalars(select(PolicyRow).order_by(PolicyRow.issued_at.desc(), PolicyRow.version.desc()))
    return [read(_order(row)) for row in rows]


def above(center: "Center", session: Session) -> Policy:
    """What those above this center order; without any order, what its level begins with."""
    return _under(center.level.policy, center.directory.tree.ancestors(center.code), newest(session))


def in_force(center: "Center", session: Session) -> Policy:
    """What this center obeys: the orders of those above it, and its own."""
    codes = [center.code, *center.directory.tree.ancestors(center.code)]
    return _under(center.level.policy, codes, newest(session))


def _under(first: Policy, codes: Sequence[str], known: Mapping[str, PolicyClaims]) -> Policy:
    """The strictest of these centers' policies; ``codes`` from below upward."""
    policy: Policy | None = None
    for code in reversed(codes):
        if code in known:
            policy = known[code].policy if policy is None else strictest(policy, known[code].policy)
    return policy or first


def set_policy(unit: "Unit", policy: Policy) -> Policy:
    """Order a policy for this center and all below it; its version is given here.

    Returns:
        The policy as it was ordered.

    Raises:
        LooserThanAbove: somebody above asks for more.
    """
    center = unit.center
    known = newest(unit.session)
    ancestors = center.directory.tree.ancestors(center.code)
    if any(code in known for code in ancestors):
        fields = looser(policy, above(center, unit.session))
        if fields:
            raise LooserThanAbove(fields)
    before = known[center.code].policy.version if center.code in known else center.policy.version
    ordered = policy.model_copy(update={"version": before + 1})
    claims = PolicyClaims(issuer=center.code, issued_at=unit.now, policy=ordered)
    order = issue(center.identity.signing, claims)
    _store(unit.session, order, claims)
    _pass_on(unit, (order,))
    return ordered


def on_policies(unit: "Unit", message: Message, payload: Policies) -> None:
    """Keep the orders of those above us that are new here, and pass them on.

    Raises:
        BadRecord: they come from another than our parent, or one is not by a center above us, not signed by it, or
            another one than we have under this version.
    """
    tree = unit.tree
    if message.sender != tree.parent(unit.me):
        raise BadRecord(f"policies from {message.sender}, which is not our parent")
    added = []
    for order in payload.orders:
        claims = check(order, unit.center.directory.known.keys_of(read(order).issuer))
        if not tree.is_ancestor(claims.issuer, unit.me):
            raise BadRecord(f"policy of {claims.issuer}, which is not above us")
        known = unit.session.get(PolicyRow, (claims.issuer, claims.policy.version))
        if known is not None and known.claims != order.claims:
            raise BadRecord(f"two policies of {claims.issuer} under version {claims.policy.version}")
        if known is None:
            _store(unit.session, order, claims)
            added.append(order)
    if added:
        _pass_on(unit, added)


def tell(unit: "Unit", child: str) -> None:
    """Tell a new child the newest orders."""
    rows = unit.session.scalars(select(PolicyRow).order_by(PolicyRow.issuer, PolicyRow.version))
    orders = {row.issuer: _order(row) for row in rows}
    if orders:
        unit.outbox.send(Type.POLICIES, Policies(orders=tuple(orders.values())), child)


def _pass_on(unit: "Unit", orders: Sequence[PolicyOrder]) -> None:
    for child in unit.tree.children(unit.me):
        if unit.outbox.is_neighbour(child):
            unit.outbox.send(Type.POLICIES, Policies(orders=tuple(orders)), child)


def _store(session: Session, order: PolicyOrder, claims: PolicyClaims) -> None:
    session.add(
        PolicyRow(
            issuer=claims.issuer,
            version=claims.policy.version,
            claims=order.claims,
            signature=order.signature,
            issued_at=claims.issued_at,
        )
    )
    session.flush()


def _order(row: PolicyRow) -> PolicyOrder:
    return PolicyOrder(claims=row.claims, signature=row.signature)
