"""Our own messages come back to us, after our database went back in time: what we did once is done again here.

They show everything of ours that ever left: the logs of cases that we wrote in, what we refused for ever, what we
asked. What others sent us comes again by itself, on their own lanes, and finds these words of ours said already.

Answers to requests are not done again: the request comes again and is judged again, unless its entry is on the log.
"""

import structlog
from sqlalchemy import insert, select, update

from node.cases import arrivals, frozen, supervision, transfers
from node.cases.tables import NumberRow, RequestRow
from node.certifying import store
from node.rehoming import renewing
from node.reports import weekly
from node.status.tables import DayCounterRow
from node.unit import Unit
from protocol.entries import Kind, Registered
from protocol.errors import BadRecord
from protocol.messages import Message, Type, read_message, read_payload
from protocol.payloads import CaseHeader, Certificates, Days, Entries, Refusal, RequestMessage, RequestState
from protocol.requests import AskUrge, read_request
from protocol.sealing import open_own_message

log = structlog.get_logger()


def replay(unit: Unit, line: bytes) -> None:
    """Do again what a message of ours tells; one that we only passed on tells nothing.

    Raises:
        RemoteError: it is none of ours, or can't be read any more.
    """
    outer = read_message(line)
    if outer.sender != unit.me:
        return
    message = outer
    if outer.type == Type.SEALED:
        known, sealing = unit.center.directory.known, unit.center.identity.sealing
        message = open_own_message(outer, sealing, known.sealing_keys_of(outer.destination), known.keys_of(unit.me))
    handler = _HANDLERS.get(Type(message.type)) if message.type in set(Type) else None
    if handler is not None:
        handler(unit, message)


def _entries(unit: Unit, message: Message) -> None:
    payload = read_payload(message)
    assert isinstance(payload, Entries)
    came, signed = arrivals.read_entries(payload, unit.center.directory.known.keys_of)
    if not all(one.verifies() for one in signed):
        raise BadRecord("an entry's signature does not verify")
    arrivals.on_entries(unit, message, came)
    frozen.freeze(unit, payload.case_id)
    for entry in came.entries:
        if entry.head.kind == Kind.REGISTERED and entry.head.center == unit.me and isinstance(entry.body, Registered):
            _take_number(unit, entry.body.number)


def _take_number(unit: Unit, number: str) -> None:
    """Give this number to nobody else."""
    _, year, running = number.rsplit("-", 2)
    last = unit.session.scalar(select(NumberRow.last).where(NumberRow.year == int(year)).with_for_update())
    if last is None:
        unit.session.execute(insert(NumberRow).values(year=int(year), last=int(running)))
    elif last < int(running):
        unit.session.execute(update(NumberRow).where(NumberRow.year == int(year)).values(last=int(running)))


def _refusal(unit: Unit, message: Message) -> None:
    payload = read_payload(message)
    assert isinstance(payload, Refusal)
    transfers.bury(unit, payload.case_id, payload.epoch, payload.reason)


def _request(unit: Unit, message: Message) -> None:
    """What we asked is pending again until its answer comes again."""
    payload = read_payload(message)
    assert isinstance(payload, RequestMessage)
    request = read_request(payload.request, unit.center.directory.known.keys_of)
    head = request.head
    if head.center != unit.me or unit.session.get(RequestRow, head.id) is not None:
        return
    if isinstance(request.body, AskUrge) and request.body.number is not None:
        supervision.keep_number(unit, request.body.number)
    unit.session.add(
        RequestRow(
            id=head.id,
            case_id=head.case_id,
            epoch=head.epoch,
            kind=head.kind,
            center=head.center,
            actor=head.actor,
            at=head.at,
            state=RequestState.PENDING,
            reason=None,
            record=payload.request.model_dump_json(),
            mine=True,
        )
    )
    unit.session.flush()


def _certificates(unit: Unit, message: Message) -> None:
    payload = read_payload(message)
    assert isinstance(payload, Certificates)
    store(unit, *payload.certificates)
    renewing.take_children(unit)  # what we enrolled since the copy


def _header(unit: Unit, message: Message) -> None:
    """What we told an ancestor of a case may be more than the case has now: it is taken back when all is healed."""
    payload = read_payload(message)
    assert isinstance(payload, CaseHeader)
    frozen.freeze(unit, payload.case_id, told=payload)


def _days(unit: Unit, message: Message) -> None:
    """Daily rows of ours that our parent has: it gets them anew, as they count now, also where nothing is left."""
    payload = read_payload(message)
    assert isinstance(payload, Days)
    for row in payload.rows:
        if row.code != unit.me:
            continue
        kept = unit.session.get(DayCounterRow, (row.code, row.day))
        if kept is None:
            kept = DayCounterRow(code=row.code, day=row.day, version=row.version, counters="{}")
            unit.session.add(kept)
        kept.incarnation, kept.told = unit.center.identity.incarnation, False
    unit.session.flush()


def transfer_epoch(line: bytes) -> int | None:
    """The epoch of the transfer that a message of ours gives notice of, where it can be read by anybody."""
    message = read_message(line)
    epoch = message.data.get("epoch") if message.type == Type.TRANSFER and isinstance(message.data, dict) else None
    return epoch if isinstance(epoch, int) else None


_HANDLERS = {
    Type.WEEKLY_REPORT: weekly.again,
    Type.ENTRIES: _entries,
    Type.REFUSAL: _refusal,
    Type.REQUEST: _request,
    Type.CERTIFICATES: _certificates,
    Type.HEADER: _header,
    Type.DAYS: _days,
}
