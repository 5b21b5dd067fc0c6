"""Lives of cases across centers, with real signed entries: what each center knows of each case, and what it counts.

Every center has its own copy of a case, which may lag behind; entries are written by whoever may, on an up-to-date
copy, and reach the others when the test says so.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from node.clock import local_day
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, Grade, Part, default_level
from protocol.custody import destination_of_return
from protocol.entries import Body, Entry, EntryHead, Kind, read_entry, verify_entry, write_entry
from protocol.errors import Refused
from protocol.folding import fold
from protocol.keys import SigningKey
from protocol.rules import next_epoch
from protocol.status import changes

COUNTY = "532923000000"
TOWN, OTHER_TOWN = "532923101000", "532923102000"
VILLAGE, NEXT_VILLAGE, FAR_VILLAGE = "532923101001", "532923101002", "532923102201"
CENTERS = (COUNTY, TOWN, OTHER_TOWN, VILLAGE, NEXT_VILLAGE, FAR_VILLAGE)
PARENT = {
    TOWN: COUNTY,
    OTHER_TOWN: COUNTY,
    VILLAGE: TOWN,
    NEXT_VILLAGE: TOWN,
    FAR_VILLAGE: OTHER_TOWN,
}

KEYS = {code: SigningKey(code.encode().ljust(32, b".")) for code in CENTERS}


class Lives:
    """Cases of a small county, and the counters of its centers."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 1, tzinfo=UTC)
        self.logs: dict[str, list[Entry]] = {}
        self.newest: dict[str, CaseState] = {}
        self.copies: dict[tuple[str, str], CaseState] = {}
        self.totals: dict[str, Counter[str]] = defaultdict(Counter)
        self.days: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def register(self, center: str, *, grade: Grade = Grade.LOW) -> str:
        """A matter is registered; returns its id."""
        case_id = f"case-{len(self.logs)}"
        body = e.Registered(
            number=f"{center}-2026-{len(self.logs):04d}",
            display_number=f"{len(self.logs)}号",
            title="院墙",
            category=Category.NEIGHBOURHOOD,
            place="村头",
            parties=(e.Party(name="杨秀英"),),
            grade=grade,
        )
        self.write(case_id, Kind.REGISTERED, body, center)
        return case_id

    def write(self, case_id: str, kind: Kind, body: Body, center: str | None = None) -> CaseState:
        """Write an entry as the holder, or as somebody else who may.

        Raises:
            Refused: a rule forbids it; nothing was written.
        """
        state = self.newest.get(case_id)
        author = center or (state.holder if state is not None else None)
        if author is None:
            raise Refused("not-holder")
        head = EntryHead(
            case_id=case_id,
            epoch=next_epoch(state, kind) if state is not None else 1,
            seq=state.seq + 1 if state is not None else 1,
            kind=kind,
            at=self.now,
            center=author,
            actor="调解员",
            body_digest="",
        )
        entry = write_entry(KEYS[author], head, body, bytes(16))
        entry = read_entry(entry.record)
        verify_entry(entry, (KEYS[author].public,))
        self.newest[case_id] = fold(state, entry)
        self.logs.setdefault(case_id, []).append(entry)
        self.bring(case_id, author)
        return self.newest[case_id]

    def bring(self, case_id: str, center: str) -> None:
        """Everything written of a case reaches a center, entry by entry, and is counted there."""
        state = self.copies.get((center, case_id))
        for entry in self.logs[case_id][state.seq if state is not None else 0 :]:
            after = fold(state, entry)
            for name, count in changes(state, after, entry, center, default_level).items():
                self.totals[center][name] += count
                self.days[center, local_day(self.now)][name] += count
            state = after
        assert state is not None
        self.copies[center, case_id] = state

    def followers(self, case_id: str) -> set[str]:
        """Who gets the entries of a case."""
        state = self.newest[case_id]
        return {*state.followers, *([state.in_transit_to] if state.in_transit_to else [])}

    def rest(self) -> None:
        """Everything reaches everybody whom it concerns; transfers are delivered."""
        for case_id in self.logs:
            flight = self.newest[case_id].custody.flight
            if flight is not None:
                self.write(case_id, Kind.DELIVERED, e.Delivered(), flight.to)
            for center in self.followers(case_id):
                self.bring(case_id, center)

    def sum(self) -> Counter[str]:
        """The total over all centers."""
        total: Counter[str] = Counter()
        for row in self.totals.values():
            total.update(row)
        return total

    def next_day(self) -> None:
        """A day passes."""
        self.now += timedelta(days=1)


Act = Callable[[Lives, str, str], object]
"""Something that may happen to a case; the third argument is some center."""


def _return(lives: Lives, case_id: str, _center: str) -> object:
    to = destination_of_return(lives.newest[case_id].custody)
    return lives.write(case_id, Kind.RETURNED, e.Transfer(to=to, reason="r"))


def _recall(lives: Lives, case_id: str, _center: str) -> object:
    to = destination_of_return(lives.newest[case_id].custody)
    return lives.write(case_id, Kind.RECALLED, e.Recalled(to=to, reason="r"))


def _escalate(lives: Lives, case_id: str, _center: str) -> object:
    holder = lives.newest[case_id].holder
    if holder not in PARENT:
        raise Refused("no-parent")
    return lives.write(case_id, Kind.ESCALATED, e.Escalated(to=PARENT[holder], reason="r"))


def _assign(lives: Lives, case_id: str, center: str) -> object:
    if PARENT.get(center) != lives.newest[case_id].holder:
        raise Refused("no-child")
    due = lives.now + timedelta(hours=30)
    body = e.Assigned(to=center, deadline=due, lead="主任", department="司法所", handler="调解员")
    return lives.write(case_id, Kind.ASSIGNED, body)


def _hand_off(lives: Lives, case_id: str, center: str) -> object:
    return lives.write(case_id, Kind.HANDED_OFF, e.Transfer(to=center, reason="r"))


def _deliver(lives: Lives, case_id: str, _center: str) -> object:
    flight = lives.newest[case_id].custody.flight
    if flight is None:
        raise Refused("not-in-flight")
    body = e.Delivered(deadline=lives.newest[case_id].deadline)
    return lives.write(case_id, Kind.DELIVERED, body, flight.to)


def _bounce(lives: Lives, case_id: str, _center: str) -> object:
    flight = lives.newest[case_id].custody.flight
    if flight is None:
        raise Refused("not-in-flight")
    return lives.write(case_id, Kind.BOUNCED, e.WithReason(reason="r"), flight.sender)


def _take_back(lives: Lives, case_id: str, _center: str) -> object:
    flight = lives.newest[case_id].custody.flight
    if flight is None:
        raise Refused("not-in-flight")
    return lives.write(case_id, Kind.RECALLED, e.Recalled(to=flight.sender, taken_back=True), flight.sender)


def _simple(kind: Kind, body: Body) -> Act:
    return lambda lives, case_id, _center: lives.write(case_id, kind, body)


NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MEDIATED = e.Mediated(held_at=NOON, place="村委会", mediators=("李",), summary="谈了")
VISIT_ON = (date(2026, 3, 9), date(2026, 4, 1))
AGREED = e.Agreed(agreement="修墙", visit_on=VISIT_ON)
VISITED = e.Visited(held_at=NOON, method="上门", satisfied=True)


def _visit_as_planned(lives: Lives, case_id: str, _center: str) -> object:
    return lives.write(case_id, Kind.VISITED, VISITED.model_copy(update={"visit_on": _open_day(lives, case_id)}))


def _miss_a_visit(lives: Lives, case_id: str, _center: str) -> object:
    return lives.write(case_id, Kind.VISIT_MISSED, e.VisitMissed(visit_on=_open_day(lives, case_id)))


def _open_day(lives: Lives, case_id: str) -> date:
    waiting = lives.newest[case_id].visit_plan.open
    if not waiting:
        raise Refused("no-such-visit")
    return waiting[0]


def _call(lives: Lives, case_id: str, _center: str) -> object:
    due = lives.now + timedelta(hours=30)
    return lives.write(case_id, Kind.CALLED, e.Called(station="林业站", station_id="s1", task="指界", report_by=due))


def _report(lives: Lives, case_id: str, _center: str) -> object:
    waiting = [seq for seq, call in lives.newest[case_id].calls.items() if call.reported_at is None]
    return lives.write(case_id, Kind.REPORTED, e.Reported(call_seq=waiting[0] if waiting else 1, text="到了"))


def _claim(lives: Lives, case_id: str, center: str) -> object:
    shares = (e.Share(center=center, mediator="李", yuan=100),)
    return lives.write(case_id, Kind.SUBSIDY_CLAIMED, e.SubsidyClaimed(yuan=100, shares=shares))


def _judge(lives: Lives, case_id: str, center: str) -> object:
    subsidy = lives.newest[case_id].subsidy
    judged = e.SubsidyJudged(claim_seq=subsidy.seq if subsidy else 1, approved=len(case_id) % 2 == 0, by=center)
    return lives.write(case_id, Kind.SUBSIDY_JUDGED, judged)


def _settle(lives: Lives, case_id: str, _center: str) -> object:
    for kind, body in (
        (Kind.ACCEPTED, Body()),
        (Kind.MEDIATED, MEDIATED),
        (Kind.FILED, e.Filed(parts=(Part.NOTICE, Part.IDENTITY))),
        (Kind.AGREED, AGREED),
        (Kind.VISITED, VISITED.model_copy(update={"visit_on": VISIT_ON[0]})),
        (Kind.CLOSED, Body()),
    ):
        if kind is not Kind.ACCEPTED or lives.newest[case_id].custody.accepted_by is None:
            lives.write(case_id, kind, body)
    return None


ACTS: dict[str, Act] = {
    "settle": _settle,
    "accept": _simple(Kind.ACCEPTED, Body()),
    "mediate": _simple(Kind.MEDIATED, MEDIATED),
    "agree": _simple(Kind.AGREED, AGREED),
    "fail": _simple(Kind.FAILED, e.Failed(reason="r", visit_on=VISIT_ON)),
    "close": _simple(Kind.CLOSED, Body()),
    "withdraw": _simple(Kind.WITHDRAWN, e.WithReason(reason="r")),
    "refer": _simple(Kind.REFERRED, e.Referred(to="法院", reason="r")),
    "merge": _simple(Kind.MERGED, e.Merged(into="other")),
    "reopen": _simple(Kind.REOPENED, e.Reopened(reason="r")),
    "visit": _simple(Kind.VISITED, VISITED),
    "visit, not satisfied": _simple(Kind.VISITED, VISITED.model_copy(update={"satisfied": False})),
    "visit as planned": _visit_as_planned,
    "miss a visit": _miss_a_visit,
    "call": _call,
    "report": _report,
    "claim": _claim,
    "judge": _judge,
    "grade": _simple(Kind.GRADED, e.Graded(grade=Grade.HIGH, reason="r")),
    "correct": _simple(Kind.CORRECTED, e.Corrected(changes=e.Changes(category=Category.OTHER), reason="r")),
    "invite": lambda lives, case_id, center: lives.write(
        case_id, Kind.INVITED, e.Invited(partners=(center,), reason="r")
    ),
    "join": lambda lives, case_id, center: lives.write(case_id, Kind.JOINED, e.Joined(center=center)),
    "decline": lambda lives, case_id, center: lives.write(
        case_id, Kind.DECLINED, e.Declined(what=e.DeclinedWhat.JOINT, center=center, reason="r")
    ),
    "escalate": _escalate,
    "assign": _assign,
    "return": _return,
    "recall": _recall,
    "hand off": _hand_off,
    "deliver": _deliver,
    "bounce": _bounce,
    "take back": _take_back,
}
