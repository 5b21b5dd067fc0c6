"""A newer center among older ones, over real brokers: nothing that it says is lost, and the links go on."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from node.cases import log
from node.cases.tables import EntryRow
from node.federation import handlers, writing
from node.federation.inbox import retry_parked
from node.federation.tables import OutboxRow
from node.unit import Unit
from protocol import messages, payloads, wire
from protocol.entries import CONTEXT as ENTRY_CONTEXT
from protocol.entries import EntryHead, Kind, Noted, read_entry, write_entry
from protocol.keys import SigningKey, to_text
from protocol.messages import Message
from protocol.wire import CONTEXT, Header, Hello
from tests.cases.poison import FUTURE, Future, from_the_future
from tests.cases.scene import COUNTY, FAR_VILLAGE, FOUR, OTHER_TOWN, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.cases.stored import received_by
from tests.federation_kit import Wire


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A county on real nats-servers."""
    with scene_of(tmp_path_factory.mktemp("skew"), wire=Wire.NATS) as scene:
        scene.settle()
        yield scene


@pytest.fixture
def upgraded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on everybody understands the new type; what was understood."""
    understood: list[str] = []

    def on_future(_unit: Unit, _message: Message, payload: Future) -> None:
        understood.append(payload.words)

    monkeypatch.setitem(messages.PAYLOADS, FUTURE, Future)
    monkeypatch.setitem(handlers.HANDLERS, FUTURE, on_future)
    return understood


def test_older_relays_pass_on_what_they_do_not_know(scene: Scene, request: pytest.FixtureRequest) -> None:
    """From village to village over both townships and the county; the last one is upgraded later."""
    from_the_future(scene.far_village, VILLAGE, None, "新版本的话")
    scene.settle(parked=True)
    assert not [row for code in (OTHER_TOWN, COUNTY, TOWN) for row in scene[code].parked()], "relays never park it"
    assert all("新版本的话" not in received_by(scene[code]) for code in (OTHER_TOWN, COUNTY, TOWN)), "it is sealed"
    [parked] = scene.village.parked()
    assert (parked.type, parked.peer) == (FUTURE, TOWN)
    assert {link["state"] for desk in scene for link in desk.links()} == {"linked"}

    understood: list[str] = request.getfixturevalue("upgraded")
    scene.stop(VILLAGE)
    scene.start(VILLAGE)
    scene.settle()
    assert understood == ["新版本的话"]


def test_an_entry_with_fields_of_the_future_travels_byte_for_byte(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    entry_of_the_future(scene.village, case)
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.town.does(case, "accept")
    scene.town.does(case, "escalate", reason="太大", triggers=["danger_to_life"])
    scene.settle()
    scene.county.does(case, "accept")
    scene.county.does(case, "assign", to=OTHER_TOWN, **FOUR)
    scene.settle()
    scene.other_town.does(case, "accept")
    scene.other_town.does(case, "assign", to=FAR_VILLAGE, **FOUR)
    scene.settle()
    written = stored_entry(scene.village, case, 2)
    assert '"mood":"平静"' in written[2]
    assert '"witness":[null,1.50,"文"]' in written[0].replace(" ", "")
    for code in (TOWN, COUNTY, OTHER_TOWN, FAR_VILLAGE):
        assert stored_entry(scene[code], case, 2) == written, code
    [told] = [entry for entry in scene.far_village.case(case)["log"] if entry["seq"] == 2]
    assert (told["kind"], told["data"]["text"]) == ("noted", "来自新版本")


def entry_of_the_future(desk: Desk, case: str) -> None:
    """A newer center's note: more fields in its head and in its body, all signed."""
    with desk.member.act() as unit:
        before = unit.book.state(case)
        assert before is not None
        head = EntryHead.model_validate(
            {
                "case_id": case,
                "epoch": before.epoch,
                "seq": before.seq + 1,
                "kind": Kind.NOTED,
                "at": unit.now,
                "center": desk.code,
                "actor": "李秀英",
                "body_digest": "",
                "witness": [None, 1.5, "文"],
            }
        )
        body = Noted.model_validate({"text": "来自新版本", "mood": "平静"})
        entry = write_entry(desk.center.identity.signing, head, body, unit.new_salt())
        # As a newer version in another language would write it: other spaces, another number for the same value.
        text = entry.record.head.replace("1.5", "1.50").replace('":', '": ')
        signature = desk.center.identity.signing.sign(ENTRY_CONTEXT, text.encode())
        record = entry.record.model_copy(update={"head": text, "signature": to_text(signature)})
        entry = read_entry(record)
        log.tell(unit, before, unit.book.append(entry), entry)


def stored_entry(desk: Desk, case: str, seq: int) -> tuple[str, str, str]:
    """Head, signature and body as they stand in the database."""
    with desk.member.read() as session:
        row = session.scalars(select(EntryRow).where(EntryRow.case_id == case, EntryRow.seq == seq)).one()
        return row.head, row.signature, row.body or ""


def test_a_newer_peer_greets_with_more_than_we_know_and_is_linked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown fields in every frame, a lane and a protocol version that we do not know."""

    def write_frame(header: Header, key: SigningKey, payload: bytes = b"") -> bytes:
        if header.sender != VILLAGE:
            return wire.write_frame(header, key, payload)
        told = json.loads(header.model_dump_json(exclude_none=True)) | {"window": 9, "later": {"a": [None, 1]}}
        if isinstance(header, Hello):
            told["lanes"]["attachments"] = {"out": {"seq": 7}, "quality": "best"}
            told["protocol_versions"] = [1, 2]
        plain = wire.write_frame(header, key, b"")
        text = json.dumps(told).encode()
        signed = plain[:4] + len(text).to_bytes(2, "big") + text
        return signed + key.sign(CONTEXT, signed) + payload

    with scene.offline(VILLAGE):
        monkeypatch.setattr(writing, "write_frame", write_frame)
        case = scene.village.registers(grade="high")
        scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    assert scene.town.case(case)["holder"] == TOWN
    assert {link["state"] for link in scene.village.links()} == {"linked"}


def test_unknown_fields_of_an_envelope_are_passed_on(scene: Scene) -> None:
    """To the neighbour, and sealed through two relays to a center far away."""
    with scene.offline(VILLAGE):
        from_the_future(scene.village, COUNTY, None, "envelope")
        from_the_future(scene.village, FAR_VILLAGE, None, "envelope")
        with scene.village.center.database.write() as session:
            for row in session.scalars(select(OutboxRow).where(OutboxRow.destination.in_([COUNTY, FAR_VILLAGE]))):
                if b"sealed" in row.body and row.digest is None and row.body.endswith(b"}"):
                    more = row.body[:-1] + b',"traceparent":"00-4bf92f35","later":{"deep":[null,1,"\xe6\x96\x87"]}}'
                    session.execute(
                        update(OutboxRow)
                        .where(OutboxRow.peer == row.peer, OutboxRow.lane == row.lane, OutboxRow.seq == row.seq)
                        .values(body=more)
                    )
    scene.settle(parked=True)
    for code, hops in ((TOWN, 0), (COUNTY, 1), (OTHER_TOWN, 2), (FAR_VILLAGE, 3)):
        lines = [line for line in received_by(scene[code]).splitlines() if "traceparent" in line]
        assert lines, code
        for line in lines:
            told = json.loads(line)
            assert told["traceparent"] == "00-4bf92f35"
            assert told["later"] == {"deep": [None, 1, "文"]}
            assert told["hops"] == hops
    for desk in (scene.county, scene.far_village):
        assert [row.type for row in desk.parked()] == [FUTURE]
        desk.forget()


def test_a_kind_of_entry_that_we_do_not_know_waits_with_all_behind_it(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.town.does(case, "accept")
    scene.settle()
    with scene.town.member.act() as unit:
        before = unit.book.state(case)
        assert before is not None
        head = EntryHead.model_validate(
            {
                "case_id": case,
                "epoch": before.epoch,
                "seq": before.seq + 1,
                "kind": "blessed",
                "at": unit.now,
                "center": TOWN,
                "actor": "李秀英",
                "body_digest": "",
            }
        )
        record = write_entry(scene.town.center.identity.signing, head, Noted(text="新的记录"), unit.new_salt()).record
        payload = payloads.Entries(case_id=case, entries=(record,))
        unit.outbox.send(messages.Type.ENTRIES, payload, VILLAGE, case_id=case)
    scene.town.does(case, "notes", text="排在后面")
    scene.settle(parked=True)
    first, *behind = scene.village.parked()
    assert first.case_id == case
    assert "blessed" in first.reason
    assert behind
    assert retry_parked(scene.village.center) == (0, 1 + len(behind)), "this version still does not know it"
    scene.village.forget(first.id)
    assert retry_parked(scene.village.center) == (len(behind), 0)
