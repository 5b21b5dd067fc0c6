"""A long backlog: frames that wait for a commit are read ahead, and nothing is applied that is not signed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from node.cases import inputs
from node.cases.acts import perform
from node.federation.reading import Arrival, Reader
from node.federation.tables import OutboxRow
from node.federation.verifier import MANY, VerifierBeside, VerifierHere
from protocol.keys import to_text
from protocol.messages import read_message, read_payload, write_message
from protocol.payloads import Entries
from protocol.wire import FRAME_MAX_MESSAGES
from tests.cases.scene import VILLAGE, Desk, Scene

NOTES = 3 * FRAME_MAX_MESSAGES
CASES = 10


@pytest.fixture
def beside(scene: Scene) -> Iterator[VerifierBeside]:
    """The township verifies in a process beside its own."""
    verifier = scene.town.center.verifier = VerifierBeside()
    yield verifier
    verifier.close()
    scene.town.center.verifier = VerifierHere()


def followed(scene: Scene, count: int) -> list[str]:
    """Cases that the village holds and the township follows."""
    found = [scene.village.registers(grade="high") for _ in range(count)]
    for case in found:
        scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    for case in found:
        scene.town.does(case, "return", reason="由村里先行调解")
    scene.settle()
    return found


def notes(desk: Desk, cases: list[str], count: int) -> None:
    """Notes on cases that take turns."""
    with desk.member.act() as unit:
        for number in range(count):
            perform(unit, cases[number % len(cases)], "notes", inputs.NoteInput(text=f"第{number}条"), "调解员")


def waiting(desk: Desk, count: int) -> list[tuple[int, bytes]]:
    """The last messages in the outbox, by number."""
    with desk.member.read() as session:
        newest = select(OutboxRow.seq, OutboxRow.body).where(OutboxRow.lane == "case").order_by(OutboxRow.seq.desc())
        return [(row.seq, row.body) for row in session.execute(newest.limit(count))][::-1]


def forged(line: bytes) -> bytes:
    """The message with another signature under its entry."""
    message = read_message(line)
    payload = read_payload(message)
    assert isinstance(payload, Entries)
    record = payload.entries[0].model_copy(update={"signature": to_text(b"\x07" * 64)})
    data = Entries(case_id=payload.case_id, entries=(record,)).model_dump(mode="json")
    return write_message(message.model_copy(update={"data": data}))


def test_a_backlog_of_many_frames_comes_whole_and_in_order(scene: Scene, beside: VerifierBeside) -> None:
    cases = followed(scene, CASES)
    with scene.offline(VILLAGE):
        notes(scene.village, cases, NOTES)
    scene.settle()
    for case in cases:
        assert scene.town.case(case)["log"] == scene.village.case(case)["log"]
    assert beside.thread is not None, "it had work"


def test_one_forged_entry_among_many_is_parked_and_nothing_else(scene: Scene, beside: VerifierBeside) -> None:
    *cases, victim = followed(scene, CASES)
    with scene.offline(VILLAGE):
        notes(scene.village, cases, FRAME_MAX_MESSAGES)
        notes(scene.village, [victim], 1)
        notes(scene.village, cases, FRAME_MAX_MESSAGES)
        lines = waiting(scene.village, 2 * FRAME_MAX_MESSAGES + 1)
        seq, line = lines[FRAME_MAX_MESSAGES]
        with scene.village.center.database.write() as session:
            session.execute(
                update(OutboxRow).where(OutboxRow.seq == seq, OutboxRow.lane == "case").values(body=forged(line))
            )
    scene.settle(parked=True)
    [parked] = scene.town.parked()
    assert (parked.case_id, parked.reason) == (victim, "signature does not verify")
    assert "noted" not in scene.town.kinds(victim)
    for case in cases:
        assert scene.town.case(case)["log"] == scene.village.case(case)["log"]
    assert beside.thread is not None, "it had work"


def test_what_was_read_ahead_is_not_read_again_and_what_fails_counts_as_unread(
    scene: Scene, beside: VerifierBeside
) -> None:
    [case] = followed(scene, 1)
    with scene.offline(VILLAGE):
        notes(scene.village, [case], 2 * MANY)
        lines = [line for _, line in waiting(scene.village, 2 * MANY)]
    lines[MANY] = forged(lines[MANY])
    lines[0] = b"{}"
    reader = Reader(scene.town.center, VILLAGE)
    ahead = reader.expect(lines)
    ahead.read()
    parsed: list[Arrival | None] = [ahead.arrival(place) for place in range(len(lines))]
    unexpected = waiting(scene.village, 2 * MANY)[0][1]
    taken = reader.take([*lines, unexpected])
    assert [place for place, arrival in enumerate(taken) if arrival is None] == [0, MANY]
    assert all(taken[place] is parsed[place] for place in range(len(lines)))
    assert taken[-1] is not None
    scene.settle()


def test_what_is_forgotten_is_read_when_it_comes_again(scene: Scene) -> None:
    [case] = followed(scene, 1)
    notes(scene.village, [case], 1)
    [(_, line)] = waiting(scene.village, 1)
    reader = Reader(scene.town.center, VILLAGE)
    reader.expect([line])
    reader.forget()
    [arrival] = reader.take([line])
    assert arrival is not None
    assert arrival.message is not None
    assert arrival.message.subject == case
    scene.settle()
