"""Logs for tests of the fold: entries without signatures, which the fold does not look at."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, Grade, Part, Retention, Status
from protocol.entries import Body, Entry, EntryHead, Kind
from protocol.folding import fold
from protocol.records import Record
from protocol.rules import next_epoch

COUNTY = "532923000000"
TOWN = "532923102000"
OTHER_TOWN = "532923103000"
THIRD_TOWN = "532923104000"
VILLAGE = "532923102201"
OTHER_VILLAGE = "532923102202"

CASE_ID = "0b8f0f8e-5a53-4a07-9d0e-0a6f4a7b5f11"
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
"""Nine in the morning in Yunnan, a Monday."""

CLERK = "杨秀英"


def registered(**changes: object) -> e.Registered:
    """What a village registers."""
    body = e.Registered(
        number=f"{VILLAGE}-2026-0001",
        display_number="谢官营〔2026〕1号",
        title="排水沟堵塞",
        category=Category.NEIGHBOURHOOD,
        place="三组",
        parties=(e.Party(name="张三"), e.Party(name="李四")),
    )
    return body.model_copy(update=changes)


def assigned(to: str = OTHER_VILLAGE, **changes: object) -> e.Assigned:
    """An assignment with 四定."""
    body = e.Assigned(to=to, lead="赵主任", department="司法所", handler="钱调解员", working_days=5)
    return body.model_copy(update=changes)


def mediated(at: datetime = START) -> e.Mediated:
    """A mediation session."""
    return e.Mediated(held_at=at, place="村委会", mediators=("王调解员",), summary="双方各让一步")


class Log:
    """A case's log that grows; an entry that is refused leaves it as it was."""

    def __init__(self, body: e.Registered | None = None, center: str = VILLAGE) -> None:
        self.entries: list[Entry] = []
        self.now = START
        self._state: CaseState | None = None
        self.append(Kind.REGISTERED, body or registered(), by=center)

    @staticmethod
    def retold(entries: list[Entry]) -> CaseState | None:
        """The state that these entries alone tell."""
        state = None
        for entry in entries:
            state = fold(state, entry)
        return state

    @property
    def state(self) -> CaseState:
        """The state after all entries."""
        assert self._state is not None
        return self._state

    def entry(
        self,
        kind: Kind,
        body: Body | None = None,
        *,
        by: str | None = None,
        actor: str = CLERK,
        epoch: int | None = None,
        seq: int | None = None,
    ) -> Entry:
        """The entry that would come next, written by the holder unless somebody is named."""
        state = self._state
        head = EntryHead(
            case_id=CASE_ID,
            epoch=epoch if epoch is not None else (next_epoch(state, kind) if state is not None else 1),
            seq=seq if seq is not None else (state.seq + 1 if state is not None else 1),
            kind=kind,
            at=self.now,
            center=by or (state.holder if state is not None else None) or VILLAGE,
            actor=actor,
            body_digest="",
        )
        return Entry(record=Record(head="-", signature="-"), head=head, body=body if body is not None else Body())

    def append(self, kind: Kind, body: Body | None = None, *, by: str | None = None, actor: str = CLERK) -> CaseState:
        """Append the next entry."""
        entry = self.entry(kind, body, by=by, actor=actor)
        self._state = fold(self._state, entry)
        self.entries.append(entry)
        return self.state

    def wait(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by

    # --- what happens often ------------------------------------------------------------------------

    def accept(self) -> CaseState:
        """The holder's clerk accepts."""
        return self.append(Kind.ACCEPTED)

    def escalate(self, to: str) -> CaseState:
        """The holder escalates."""
        return self.append(Kind.ESCALATED, e.Escalated(to=to, reason="超出能力"))

    def assign(self, to: str, **changes: object) -> CaseState:
        """The holder assigns."""
        return self.append(Kind.ASSIGNED, assigned(to, **changes))

    def hand_off(self, to: str) -> CaseState:
        """The holder hands off."""
        return self.append(Kind.HANDED_OFF, e.Transfer(to=to, reason="对方牵头"))

    def give_back(self) -> CaseState:
        """The holder returns."""
        return self.append(Kind.RETURNED, e.Transfer(to=self.state.custody.stack[-1].center, reason="不归我们"))

    def deliver(self, deadline: datetime | None = None) -> CaseState:
        """The destination takes custody."""
        return self.append(Kind.DELIVERED, e.Delivered(deadline=deadline), by=self.state.in_transit_to)

    def bounce(self) -> CaseState:
        """The transfer comes back."""
        assert self.state.custody.flight is not None
        return self.append(Kind.BOUNCED, e.WithReason(reason="送不到"), by=self.state.custody.flight.sender)

    def take_back(self) -> CaseState:
        """The sender takes back what no wire has seen."""
        flight = self.state.custody.flight
        assert flight is not None
        body = e.Recalled(to=flight.sender, reason="点错了", taken_back=True)
        return self.append(Kind.RECALLED, body, by=flight.sender)

    def recall(self) -> CaseState:
        """The holder's node grants a recall."""
        return self.append(Kind.RECALLED, e.Recalled(to=self.state.custody.stack[-1].center, reason="点错了"))

    def invite(self, *partners: str) -> CaseState:
        """The holder invites."""
        return self.append(Kind.INVITED, e.Invited(partners=partners, reason="跨界"))

    def join(self, partner: str) -> CaseState:
        """A partner accepts."""
        return self.append(Kind.JOINED, e.Joined(center=partner))

    def agree(self) -> CaseState:
        """The parties agree after a session."""
        self.append(Kind.MEDIATED, mediated(self.now))
        return self.append(Kind.AGREED, e.Agreed(agreement="各清各的沟"))

    def countersign(self, partner: str) -> CaseState:
        """A partner countersigns the present agreement."""
        assert self.state.agreement_seq is not None
        return self.append(Kind.COUNTERSIGNED, e.Countersigned(center=partner, agreement_seq=self.state.agreement_seq))


def in_status(status: Status) -> Log:
    """A log held and accepted by the village, in this status."""
    log = Log()
    for step in _steps_to(status):
        log.append(step, BODIES[step])
    assert log.state.status is status
    return log


def _steps_to(status: Status) -> Iterator[Kind]:
    if status is Status.REGISTERED:
        return
    yield Kind.ACCEPTED
    yield from {
        Status.ACCEPTED: (),
        Status.MEDIATING: (Kind.MEDIATED,),
        Status.AGREED: (Kind.MEDIATED, Kind.AGREED),
        Status.FAILED: (Kind.MEDIATED, Kind.FAILED),
        Status.CLOSED: (Kind.MEDIATED, Kind.AGREED, Kind.CLOSED),
        Status.WITHDRAWN: (Kind.WITHDRAWN,),
        Status.REFERRED: (Kind.REFERRED,),
        Status.MERGED: (Kind.MERGED,),
    }[status]


BODIES: dict[Kind, Body] = {
    Kind.GRADED: e.Graded(grade=Grade.HIGH, reason="扬言报复"),
    Kind.CORRECTED: e.Corrected(changes=e.Changes(title="排水沟纠纷"), reason="写错了"),
    Kind.ACCEPTED: Body(),
    Kind.NOTED: e.Noted(text="又下雨了"),
    Kind.MEDIATED: mediated(),
    Kind.AGREED: e.Agreed(agreement="各清各的沟"),
    Kind.FAILED: e.Failed(reason="谈不拢"),
    Kind.WITHDRAWN: e.WithReason(reason="自行和解"),
    Kind.REFERRED: e.Referred(to="县法院", reason="当事人起诉"),
    Kind.CLOSED: Body(),
    Kind.REOPENED: e.Reopened(reason="反悔"),
    Kind.MERGED: e.Merged(into="another"),
    Kind.ABSORBED: e.Absorbed(case_id="another", number="谢官营〔2026〕9号"),
    Kind.RULED: e.Ruled(to=VILLAGE, reason="属地", by=COUNTY),
    Kind.INQUIRED: e.Inquired(
        held_at=START, place="三组", inquirers=("王调解员",), asked="周某", text="沟是两家共用的"
    ),
    Kind.FILED: e.Filed(parts=(Part.NOTICE,)),
    Kind.ATTACHED: e.Attached(name="照片.jpg", type="image/jpeg", size=1, sha256="5a" * 32, center=VILLAGE),
    Kind.ARCHIVED: e.Archived(retention=Retention.SHORT, explanation="当场口头告知"),
    Kind.VISITED: e.Visited(held_at=START, method="上门"),
    Kind.ESCALATED: e.Escalated(to=TOWN, reason="超出能力"),
    Kind.ASSIGNED: assigned(),
    Kind.HANDED_OFF: e.Transfer(to=OTHER_VILLAGE, reason="对方牵头"),
    Kind.REHOMED: e.Rehomed(to=OTHER_VILLAGE, reason="撤并"),
    Kind.REPLACED: e.Replaced(former=OTHER_VILLAGE, successor=OTHER_TOWN),
    Kind.EXTENDED: e.Extended(deadline=START + timedelta(days=20), reason="等鉴定", consented=("张三",)),
    Kind.CALLED: e.Called(station="林业站", station_id="s1", task="指界", report_by=START + timedelta(days=99)),
    Kind.URGED: e.Urged(text="抓紧", by=COUNTY),
    Kind.INVITED: e.Invited(partners=(OTHER_VILLAGE,), reason="跨界"),
    Kind.OFFERED: e.Offered(to=OTHER_VILLAGE, reason="对方牵头"),
    Kind.LEAD_ORDERED: e.LeadOrdered(to=VILLAGE, reason="属地", by=COUNTY),
    Kind.VIEWED: e.Viewed(by=COUNTY, reason="督查", until=START),
    Kind.RENUMBERED: e.Renumbered(number="n", display_number="d", old_number="o"),
}
"""A body of each kind that needs nothing else to have happened."""
