"""Who a file may be for, or from: a neighbour that we have a link with."""

from typing import TYPE_CHECKING

from node.federation.tables import LinkRow
from node.i18n import N_
from node.trouble import Trouble

if TYPE_CHECKING:
    from node.center import Center


def check_neighbour(center: "Center", code: str) -> None:
    """See that files may be exchanged with a center.

    Raises:
        Trouble: there is no link with it, it was revoked, or it is stopped.
    """
    with center.database.read() as session:
        row = session.get(LinkRow, code)
        if row is None or row.revoked_at is not None or not center.directory.tree.known(code):
            raise Trouble(
                N_("{name} {code} is no neighbour of this center: files go between a center and its superior only."),
                name=center.directory.tree.name(code),
                code=code,
            )
        if row.healing:
            raise Trouble(
                N_(
                    "This center's database was put back from a copy, and {name} has not given back yet what it knows "
                    "of it. That takes a network; nothing is carried before."
                ),
                name=center.directory.tree.name(code),
            )
        if row.stop_reason is not None:
            raise Trouble(
                N_("The link with {name} is stopped ({reason}); nothing is carried until that is healed."),
                name=center.directory.tree.name(code),
                reason=row.stop_reason,
            )
