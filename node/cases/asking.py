"""Speaking to a case that another center holds: a signed request goes to the holder, whose node judges it."""

from node.access import visible_row
from node.cases.granting import spokesman
from node.cases.sheet import newest_header
from node.cases.tables import RequestRow
from node.unit import Unit
from protocol.errors import Refused
from protocol.messages import Type
from protocol.payloads import CaseHeader, RequestMessage, RequestState
from protocol.records import Frozen
from protocol.requests import Ask, RequestHead, write_request


def check_named_epoch(header: CaseHeader, epoch: int | None) -> None:
    """Refuse who names another epoch than the newest that we know of.

    Raises:
        Refused: ``stale-epoch``.
    """
    if epoch is not None and epoch != header.epoch:
        raise Refused("stale-epoch", epoch=header.epoch, holder=header.holder, in_transit_to=header.in_transit_to)


def ask(unit: Unit, case_id: str, kind: Ask, body: Frozen, actor: str, *, epoch: int | None = None) -> RequestRow:
    """Ask the holder; the request is pending until the answer comes.

    Args:
        unit: the unit of work.
        case_id: a case that this center may see.
        kind: what is asked.
        body: the body of this kind.
        actor: the person who asks.
        epoch: the epoch that the person saw; refused if the case has moved on since.

    Raises:
        Problem: 404 where the case may not be seen.
        Refused: ``stale-epoch``; ``unreachable`` where the holder takes no part any more.
    """
    visible_row(unit.session, case_id, unit.now)
    sheet = unit.book.sheet(case_id)
    header = newest_header(sheet)
    check_named_epoch(header, epoch)
    if unit.me in {header.holder, header.in_transit_to}:
        raise Refused("not-holder", holder=header.holder, in_transit_to=header.in_transit_to)
    target = spokesman(unit, sheet)
    if not unit.outbox.reachable(target):
        raise Refused("unreachable", center=target)
    head = RequestHead(
        id=unit.new_id(),
        case_id=case_id,
        epoch=header.epoch,
        kind=kind,
        at=unit.now,
        center=unit.me,
        actor=actor,
        body_digest="",
    )
    request = write_request(unit.center.identity.signing, head, body, unit.new_salt())
    row = RequestRow(
        id=head.id,
        case_id=case_id,
        epoch=head.epoch,
        kind=kind,
        center=unit.me,
        actor=actor,
        at=unit.now,
        state=RequestState.PENDING,
        reason=None,
        record=request.record.model_dump_json(),
        mine=True,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.outbox.send(Type.REQUEST, RequestMessage(request=request.record), target, case_id=case_id, message_id=head.id)
    return row
