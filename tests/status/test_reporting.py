"""Reporting: last values go up, again and again, and what a child says is believed only of itself and those below."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from node.cases import service
from node.cases.log import write
from node.cases.tables import CaseRow
from node.center import Center
from node.db import Database
from node.directory import add_certificates
from node.federation.tables import LaneRow, LinkRow
from node.status.descendants import TWIN_SILENT_S
from node.status.reporting import GATHER, HEARTBEAT, LOOK_AGAIN, SNAPSHOT_MAX_BYTES, Reporter, own_row
from node.status.tables import CounterRow
from node.unit import unit_of
from protocol.centers import Certificate, Claims, issue
from protocol.codes import Category, Grade
from protocol.entries import Kind, Party, WithReason
from protocol.errors import RemoteError
from protocol.status import Row, Snapshot
from protocol.wire import FRAME_MAX_BYTES, FRAME_MAX_PLAIN_BYTES, pack_status
from tests.conftest import HeldClock
from tests.status.conftest import ISSUED, MakeCenter, certificate, sealing_key
from tests.status.lives import COUNTY, FAR_VILLAGE, KEYS, NEXT_VILLAGE, OTHER_TOWN, TOWN, VILLAGE

SECOND = timedelta(seconds=1)

MATTER = service.Registration(
    title="院墙", category=Category.NEIGHBOURHOOD, place="村头", parties=(Party(name="杨秀英"),), grade=Grade.LOW
)


def register(center: Center) -> str:
    with unit_of(center) as unit:
        return service.register(unit, MATTER, "受理员").id


def told(documents: list[bytes]) -> dict[str, Row]:
    """The rows of some snapshots."""
    found = [row for document in documents for row in Snapshot.model_validate_json(document).rows]
    assert len({row.code for row in found}) == len(found)
    return {row.code: row for row in found}


def document(*rows: Row) -> bytes:
    return Snapshot(rows=rows).model_dump_json().encode()


def a_row(center: Center, code: str, *, counter: int = 1, ago: timedelta = SECOND, **counters: int) -> Row:
    return Row(
        code=code, incarnation="i", counter=counter, as_of=center.clock.now() - ago, counters=counters, backlog=2
    )


def known(center: Center) -> dict[str, dict[str, int]]:
    with center.database.read() as session:
        return {row.code: json.loads(row.counters) for row in session.scalars(select(CounterRow))}


class Teller:
    """A reporter whose seconds pass one by one."""

    def __init__(self, center: Center, clock: HeldClock) -> None:
        self.center = center
        self.clock = clock
        self.reporter = Reporter(center)

    def after(self, pause: timedelta = SECOND, *, force_all: bool = False) -> dict[str, Row]:
        self.clock.advance(pause)
        return told(self.reporter.snapshot(force_all, self.center.clock.now()))


@pytest.fixture
def village(center_of: MakeCenter, clock: HeldClock) -> Teller:
    return Teller(center_of(VILLAGE), clock)


@pytest.fixture
def town(center_of: MakeCenter, clock: HeldClock) -> Teller:
    return Teller(center_of(TOWN), clock)


# ---------------------------------------------------------------- our own row


def test_a_center_that_counted_nothing_reports_a_row(village: Teller, clock: HeldClock) -> None:
    row = village.after()[VILLAGE]
    assert (row.counters, row.backlog, row.as_of) == ({}, 0, clock.now())


def test_what_does_not_change_is_told_once_a_minute(village: Teller) -> None:
    first = village.after()[VILLAGE]
    assert village.after() == {}
    assert village.after(HEARTBEAT - 2 * SECOND) == {}
    again = village.after()[VILLAGE]
    assert again.counter == first.counter
    assert again.as_of == first.as_of + HEARTBEAT


def test_a_change_is_told_at_the_next_second(village: Teller) -> None:
    first = village.after()[VILLAGE]
    register(village.center)
    row = village.after()[VILLAGE]
    assert row.counters["held"] == 1
    assert row.counter > first.counter
    assert village.after() == {}


def test_at_most_one_a_second_unless_all_is_asked_for(village: Teller) -> None:
    village.after()
    register(village.center)
    assert village.after(timedelta(milliseconds=400)) == {}
    assert village.after(timedelta(milliseconds=0), force_all=True)
    register(village.center)
    assert village.after(timedelta(milliseconds=400)) == {}
    assert village.after(timedelta(milliseconds=600))


def test_a_clock_that_is_set_back_stops_nothing(village: Teller) -> None:
    village.after()
    assert village.after(-timedelta(hours=3))


def test_a_deadline_that_passes_is_a_change(village: Teller, clock: HeldClock) -> None:
    case_id = register(village.center)
    first = village.after()[VILLAGE]
    set_deadline(village.center, case_id, 2 * HEARTBEAT)
    with village.center.database.read() as session:
        assert "overdue" not in own_row(session, village.center, clock.now()).counters
    assert "overdue" not in village.after(2 * HEARTBEAT - SECOND)[VILLAGE].counters
    assert village.after(2 * SECOND) == {}
    late = village.after(LOOK_AGAIN)[VILLAGE]
    assert late.counters["overdue"] == 1
    assert late.counter > first.counter
    assert village.after() == {}


def set_deadline(center: Center, case_id: str, within: timedelta) -> None:
    with center.database.write() as session:
        session.execute(update(CaseRow).where(CaseRow.id == case_id).values(deadline=center.clock.now() + within))


def test_what_another_process_wrote_is_seen_a_little_later(village: Teller) -> None:
    village.after()
    assert village.after() == {}
    assert village.after() == {}
    elsewhere = Database(village.center.database.url)
    with elsewhere.write() as session:
        session.execute(update(LaneRow).values(last_seq=7))
    elsewhere.dispose()
    assert village.after() == {}
    assert village.after(LOOK_AGAIN)[VILLAGE].backlog == 14


def test_a_settled_case_is_not_overdue(village: Teller, clock: HeldClock) -> None:
    case_id = register(village.center)
    with unit_of(village.center) as unit:
        write(unit, case_id, Kind.WITHDRAWN, WithReason(reason="和好了"), "受理员")
    set_deadline(village.center, case_id, -SECOND)
    assert "overdue" not in village.after()[VILLAGE].counters


def test_the_backlog_towards_the_parent_is_told_and_is_a_change(village: Teller) -> None:
    first = village.after()[VILLAGE]
    with village.center.database.write() as session:
        session.execute(update(LaneRow).values(last_seq=7, acked_seq=4))
    second = village.after()[VILLAGE]
    assert (first.backlog, second.backlog) == (0, 6), "three on each lane"
    assert second.counter > first.counter
    with village.center.database.write() as session:
        session.execute(update(LaneRow).values(acked_seq=7))
    third = village.after()[VILLAGE]
    assert third.backlog == 0
    assert third.counter > second.counter


def test_a_new_process_tells_under_a_new_counter(village: Teller, clock: HeldClock) -> None:
    first = village.after()[VILLAGE]
    again = Teller(village.center, clock).after()[VILLAGE]
    assert again.counter > first.counter


def test_the_counters_survive_the_report(village: Teller) -> None:
    register(village.center)
    village.after()
    register(village.center)
    assert village.after()[VILLAGE].counters["registered"] == 2


def test_the_root_reports_to_nobody(county: Center, clock: HeldClock) -> None:
    assert Teller(county, clock).after(force_all=True) == {}


# ---------------------------------------------------------------- descendants


def test_what_a_child_tells_is_known_and_goes_up(county: Center, town: Teller, village: Teller) -> None:
    register(village.center)
    for one in village.reporter.snapshot(False, village.clock.now()):
        town.reporter.receive(VILLAGE, one)
    assert known(town.center)[VILLAGE]["registered"] == 1
    rows = town.reporter.snapshot(False, town.clock.now())
    assert set(told(rows)) == {TOWN, VILLAGE}
    above = Reporter(county)
    for one in rows:
        above.receive(TOWN, one)
    assert known(county)[VILLAGE]["registered"] == 1
    assert known(county)[TOWN] == {}


def test_only_news_goes_up_at_once(town: Teller) -> None:
    town.after()
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, registered=1)))
    assert set(town.after()) == {TOWN, VILLAGE}
    town.reporter.receive(NEXT_VILLAGE, document(a_row(town.center, NEXT_VILLAGE)))
    assert set(town.after()) == {TOWN, NEXT_VILLAGE}
    assert town.after() == {}


def test_signs_of_life_wait_for_each_other(town: Teller) -> None:
    for code in (VILLAGE, NEXT_VILLAGE):
        town.reporter.receive(code, document(a_row(town.center, code)))
    town.after()
    town.clock.advance(SECOND)
    for code in (VILLAGE, NEXT_VILLAGE):
        town.reporter.receive(code, document(a_row(town.center, code, ago=timedelta(0))))
        assert town.after() == {}
    assert set(town.after(GATHER)) == {TOWN, VILLAGE, NEXT_VILLAGE}


def test_news_take_waiting_signs_of_life_along(town: Teller) -> None:
    for code in (VILLAGE, NEXT_VILLAGE):
        town.reporter.receive(code, document(a_row(town.center, code)))
    town.after()
    town.clock.advance(SECOND)
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, ago=timedelta(0))))
    town.reporter.receive(NEXT_VILLAGE, document(a_row(town.center, NEXT_VILLAGE, counter=2, ago=timedelta(0))))
    assert set(town.after()) == {TOWN, VILLAGE, NEXT_VILLAGE}


def test_everything_goes_up_after_hello_and_once_a_minute(town: Teller) -> None:
    for code in (VILLAGE, NEXT_VILLAGE):
        town.reporter.receive(code, document(a_row(town.center, code)))
    town.after()
    assert set(town.after(force_all=True)) == {TOWN, VILLAGE, NEXT_VILLAGE}
    assert town.after() == {}
    assert set(town.after(HEARTBEAT)) == {TOWN, VILLAGE, NEXT_VILLAGE}


def test_an_older_row_changes_nothing(town: Teller) -> None:
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, counter=5, registered=5)))
    town.after()
    old = a_row(town.center, VILLAGE, counter=4, ago=timedelta(hours=1), registered=4)
    town.reporter.receive(VILLAGE, document(old))
    assert known(town.center)[VILLAGE] == {"registered": 5}
    assert town.after() == {}


def test_what_a_twin_has_counted_gives_way_once_the_twin_is_silent_for_long(town: Teller, clock: HeldClock) -> None:
    twin = a_row(town.center, VILLAGE, counter=9, registered=5)
    town.reporter.receive(VILLAGE, document(twin))
    clock.advance(timedelta(seconds=TWIN_SILENT_S))
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, counter=4, registered=1)))
    assert known(town.center)[VILLAGE] == {"registered": 5}
    clock.advance(2 * SECOND)
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, counter=4, registered=1)))
    assert known(town.center)[VILLAGE] == {"registered": 1}


def test_a_late_row_stays_late_whatever_a_clock_was_set_to(town: Teller) -> None:
    for counter in (4, 5):
        row = a_row(town.center, VILLAGE, counter=counter, ago=timedelta(hours=1), registered=counter)
        town.reporter.receive(VILLAGE, document(row))
    late = a_row(town.center, VILLAGE, counter=4, registered=4)
    town.reporter.receive(VILLAGE, document(late))
    assert known(town.center)[VILLAGE] == {"registered": 5}


def test_many_rows_go_in_several_frames(town: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {
        f"a{first}{second}.{first * 30}": 2**50 for first in "abcdefghij" for second in "abcdefghijklmnopqrstuvwxyz"
    }
    codes = [f"532923101{number:03d}" for number in range(1, 100)]
    monkeypatch.setattr(type(town.center.directory.tree), "is_ancestor", lambda *_: True)
    with town.center.database.write() as session:
        for code in codes:
            row = a_row(town.center, code).model_copy(update={"counters": wide})
            session.add(
                CounterRow(
                    code=code,
                    incarnation="i",
                    counter=1,
                    as_of=row.as_of,
                    counters=json.dumps(row.counters),
                    backlog=0,
                )
            )
    documents = town.reporter.snapshot(True, town.clock.now())
    assert len(documents) > 2
    assert set(told(documents)) == {TOWN, *codes}
    for one in documents:
        assert len(one) <= SNAPSHOT_MAX_BYTES + 1000 <= FRAME_MAX_PLAIN_BYTES
        assert len(pack_status(one)[1]) <= FRAME_MAX_BYTES


def test_a_revoked_centers_last_row_goes_on_upward(town: Teller) -> None:
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, registered=1)))
    revoke(town.center, VILLAGE)
    assert set(town.after(force_all=True)) == {TOWN, VILLAGE}


def revoke(center: Center, code: str) -> None:
    with center.database.write() as session:
        add_certificates(session, [certificate(code, version=2, revoked=True)], center.root_key)
        center.directory.refresh(session)


# ---------------------------------------------------------------- what others may say


def test_a_row_of_somebody_else_is_refused_with_its_snapshot(county: Center) -> None:
    reporter = Reporter(county)
    good = a_row(county, TOWN, registered=1)
    for stranger in (OTHER_TOWN, FAR_VILLAGE, COUNTY):
        with pytest.raises(RemoteError, match=stranger):
            reporter.receive(TOWN, document(good, a_row(county, stranger)))
    assert known(county) == {}


def test_rows_of_centers_without_certificate_wait_for_it(county: Center) -> None:
    newcomer = "532923101099"
    reporter = Reporter(county)
    reporter.receive(TOWN, document(a_row(county, TOWN, registered=1), a_row(county, newcomer, registered=2)))
    reporter.meet_strangers()
    assert known(county) == {TOWN: {"registered": 1}}

    with county.database.write() as session:
        add_certificates(session, [newcomers_certificate(newcomer, TOWN)], county.root_key)
        county.directory.refresh(session)
    reporter.meet_strangers()
    assert known(county) == {TOWN: {"registered": 1}, newcomer: {"registered": 2}}


def test_a_row_of_somebody_who_turns_out_not_to_be_below_its_sender_is_dropped(county: Center) -> None:
    newcomer = "532923101099"
    reporter = Reporter(county)
    reporter.receive(OTHER_TOWN, document(a_row(county, OTHER_TOWN), a_row(county, newcomer, registered=2)))
    with county.database.write() as session:
        add_certificates(session, [newcomers_certificate(newcomer, TOWN)], county.root_key)
        county.directory.refresh(session)
    reporter.meet_strangers()
    assert set(known(county)) == {OTHER_TOWN}


def newcomers_certificate(code: str, parent: str) -> Certificate:
    claims = Claims(
        code=code,
        name="新村",
        level="village",
        parent=parent,
        signing_key=KEYS[VILLAGE].public,
        sealing_key=sealing_key(VILLAGE).public,
        version=1,
        issuer=parent,
        issued_at=ISSUED,
    )
    return issue(KEYS[parent], claims)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"rows": 3}',
        b'{"rows": [{}]}',
        b'{"rows": [{"code": "5", "incarnation": "i", "counter": 1, "as_of": "2026-01-01T00:00:00Z", "counters": {}}]}',
        b'{"rows": [{"code": "532923101001", "incarnation": "i", "counter": -1, "as_of": "2026-01-01T00:00:00Z"}]}',
        b'{"rows": [{"code": "532923101001", "incarnation": "i", "counter": 1, "as_of": "today", "counters": {}}]}',
        b'{"rows":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_nonsense_is_the_childs_fault(town: Teller, wrong: bytes) -> None:
    with pytest.raises(RemoteError):
        town.reporter.receive(VILLAGE, wrong)
    assert known(town.center) == {}


@given(rubbish=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_raise_nothing_else(town: Teller, rubbish: bytes) -> None:
    with pytest.raises(RemoteError):
        town.reporter.receive(VILLAGE, rubbish)


def test_of_many_snapshots_at_once_only_the_wrong_ones_are_refused(town: Teller) -> None:
    good = document(a_row(town.center, VILLAGE, registered=1))
    whose = document(a_row(town.center, NEXT_VILLAGE, registered=1), a_row(town.center, COUNTY, registered=9))
    town.reporter.receive_all([(NEXT_VILLAGE, whose), (NEXT_VILLAGE, b"{"), (VILLAGE, good)])
    assert known(town.center)[VILLAGE]["registered"] == 1
    assert known(town.center).get(NEXT_VILLAGE, {}) == {}
    assert set(town.after()) == {TOWN, VILLAGE}


@pytest.mark.parametrize(("ahead", "shown"), [(3600.0, 3600.0), (-86400.0, -86400.0), (5.0, 0.0), (None, 0.0)])
def test_a_childs_wrong_clock_is_put_right(town: Teller, clock: HeldClock, ahead: float | None, shown: float) -> None:
    with town.center.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == VILLAGE).values(clock_offset=ahead))
    by_its_clock = clock.now() + timedelta(seconds=ahead or 0.0)
    town.reporter.receive(
        VILLAGE, document(Row(code=VILLAGE, incarnation="i", counter=1, as_of=by_its_clock, counters={}))
    )
    with town.center.database.read() as session:
        as_of = session.scalars(select(CounterRow.as_of).where(CounterRow.code == VILLAGE)).one()
    assert as_of == by_its_clock - timedelta(seconds=shown)


@pytest.mark.parametrize(("before", "now"), [(3600.0, 0.0), (0.0, 3600.0), (3600.0, -3600.0)])
def test_a_clock_that_was_set_since_hello_is_believed(
    town: Teller, clock: HeldClock, before: float, now: float
) -> None:
    with town.center.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == VILLAGE).values(clock_offset=before))
    told_at = clock.now() + timedelta(seconds=now)
    town.reporter.receive(VILLAGE, document(a_row(town.center, VILLAGE, ago=-timedelta(seconds=now))))
    with town.center.database.read() as session:
        assert session.scalars(select(CounterRow.as_of).where(CounterRow.code == VILLAGE)).one() == told_at


def test_what_a_clock_far_ahead_told_gives_way_to_what_it_tells_when_it_is_right(
    town: Teller, clock: HeldClock
) -> None:
    """Late cases were late by that clock only; no counter rose since."""
    ahead = clock.now() + timedelta(days=3650)
    for as_of, overdue in ((ahead, 2), (clock.now(), 0)):
        row = Row(code=VILLAGE, incarnation="i", counter=7, as_of=as_of, counters={"overdue": overdue})
        town.reporter.receive(VILLAGE, document(row))
    assert known(town.center)[VILLAGE]["overdue"] == 0


@pytest.mark.parametrize("as_of", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_at_the_end_of_the_calendar_breaks_nothing(town: Teller, as_of: str) -> None:
    with town.center.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == VILLAGE).values(clock_offset=-86400.0))
    late = a_row(town.center, VILLAGE).model_dump(mode="json") | {"as_of": as_of}
    with suppress(RemoteError):
        town.reporter.receive(VILLAGE, json.dumps({"rows": [late]}).encode())
    town.after(force_all=True)
