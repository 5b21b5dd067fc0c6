"""One example of everything that centers send each other, byte for byte, from fixed seeds.

``golden/*.json`` holds them for docs/protocol.md and for other implementations. After a wanted change of the protocol:
``python -m tests.protocol.examples`` writes them anew.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import zstandard

from protocol.carry import write_cover, write_sealed
from protocol.centers import Certificate, Claims, issue
from protocol.codes import Category, Trigger
from protocol.entries import Body, EntryHead, Escalated, Kind, Party, Registered, write_entry
from protocol.keys import SealingKey, SigningKey, digest, to_text
from protocol.messages import Lane, Message, Type, source_of, write_message
from protocol.payloads import Entries, TransferNotice
from protocol.records import Record
from protocol.sealing import seal_message
from protocol.status import Row, Snapshot
from protocol.wire import (
    ORIGIN,
    Ack,
    CarriedLane,
    Cover,
    Data,
    Header,
    Hello,
    InPosition,
    LanePositions,
    OutPosition,
    Recover,
    Return,
    StatusFrame,
    chain,
    pack,
    pack_status,
    write_frame,
)

GOLDEN = Path(__file__).parent / "golden"
MORNING = datetime(2026, 3, 2, 1, 0, 0, 123456, tzinfo=UTC)
CASE_ID = "6f1c2d9e-8a57-4a53-9d0e-3b1f5c7a9e10"


class Who(NamedTuple):
    """A center with its keys."""

    code: str
    name: str
    level: str
    key: SigningKey
    sealing: SealingKey
    incarnation: str


def _center(code: str, name: str, level: str, seed: int) -> Who:
    key, sealing = SigningKey(bytes([seed]) * 32), SealingKey(bytes([seed + 1]) * 32)
    return Who(code, name, level, key, sealing, bytes([seed + 2] * 12).hex())


COUNTY = _center("532923000000", "祥云县", "county", 0x10)
TOWNSHIP = _center("532923102000", "沙龙镇", "township", 0x20)
VILLAGE = _center("532923102205", "谢官营村民委员会", "village", 0x30)
EPHEMERAL_SEED = b"\x40" * 32
SALT = b"\x50" * 16
SEEDS = {
    "signing, sealing and incarnation of the county": "32 bytes 10, 32 bytes 11, 12 bytes 12 (hexadecimal)",
    "of the township": "20, 21, 22",
    "of the village": "30, 31, 32",
    "ephemeral seed of the seal": "32 bytes 40",
    "salt of the body": "16 bytes 50",
}

Example = dict[str, object]


def certificate(of: Who, issuer: Who) -> Certificate:
    """A center's certificate."""
    claims = Claims(
        code=of.code,
        name=of.name,
        level=of.level,
        parent=issuer.code if issuer is not of else None,
        signing_key=of.key.public,
        sealing_key=of.sealing.public,
        version=1,
        issuer=issuer.code,
        issued_at=MORNING,
    )
    return issue(issuer.key, claims)


def chain_of_village() -> tuple[Certificate, ...]:
    """The village's certificates, from the root down."""
    return certificate(COUNTY, COUNTY), certificate(TOWNSHIP, COUNTY), certificate(VILLAGE, TOWNSHIP)


def entry(seq: int, epoch: int, kind: Kind, body: Body) -> Record:
    """An entry in the village's log."""
    head = EntryHead(
        case_id=CASE_ID,
        epoch=epoch,
        seq=seq,
        kind=kind,
        at=MORNING,
        center=VILLAGE.code,
        actor="李秀英",
        body_digest="",
    )
    return write_entry(VILLAGE.key, head, body, SALT).record


def entry_messages() -> list[bytes]:
    """What the village sends when it escalates: the log, then the notice that custody is on its way."""
    registered = Registered(
        number=f"{VILLAGE.code}-2026-0008",
        display_number="谢官营〔2026〕8号",
        title="宅基地边界争议",
        category=Category.HOUSING_HOMESTEAD,
        place="谢官营三组",
        parties=(Party(name="张某"), Party(name="王某")),
    )
    escalated = Escalated(to=TOWNSHIP.code, reason="两次调解未成", triggers=(Trigger.REPEATED_FAILURE,))
    log = entry(1, 1, Kind.REGISTERED, registered), entry(2, 2, Kind.ESCALATED, escalated)
    return [
        write_message(_message("1", Type.ENTRIES, Entries(case_id=CASE_ID, entries=log), TOWNSHIP)),
        write_message(_message("2", Type.TRANSFER, _notice(), TOWNSHIP)),
    ]


def _notice() -> TransferNotice:
    return TransferNotice(case_id=CASE_ID, epoch=2, seq=2, kind=Kind.ESCALATED)


def _message(number: str, type_: Type, payload: Entries | TransferNotice, to: Who) -> Message:
    return Message(
        id=number * 32,
        source=source_of(VILLAGE.code),
        type=type_,
        time=MORNING,
        destination=to.code,
        subject=CASE_ID,
        datacontenttype="application/json",
        data=payload.model_dump(mode="json", exclude_none=True),
    )


def hello() -> Hello:
    """The village greets after a restart: it has offered two messages and holds none."""
    digests = chain(ORIGIN, entry_messages())
    none = InPosition(seq=0, digest=to_text(ORIGIN))
    return Hello(
        sender=VILLAGE.code,
        receiver=TOWNSHIP.code,
        session="a1" * 12,
        answering="b2" * 12,
        incarnation=VILLAGE.incarnation,
        software="liandong 0.1.0",
        clock=MORNING,
        lanes={
            Lane.CASE: LanePositions(out=OutPosition(seq=2, digest=to_text(digests[-1])), into=none),
            Lane.BULK: LanePositions(out=OutPosition(seq=0, digest=to_text(ORIGIN)), into=none),
        },
        chain=chain_of_village(),
    )


def data() -> tuple[Data, bytes]:
    """The village sends both messages."""
    messages = entry_messages()
    count, payload = pack(messages)
    assert count == len(messages)
    header = Data(
        sender=VILLAGE.code,
        receiver=TOWNSHIP.code,
        session="a1" * 12,
        lane=Lane.CASE,
        incarnation=VILLAGE.incarnation,
        first=1,
        last=2,
        before=to_text(ORIGIN),
        digest=to_text(chain(ORIGIN, messages)[-1]),
        payload_digest=to_text(digest(payload)),
    )
    return header, payload


def ack() -> Ack:
    """The township's database holds both."""
    return Ack(
        sender=TOWNSHIP.code,
        receiver=VILLAGE.code,
        session="b2" * 12,
        lane=Lane.CASE,
        incarnation=VILLAGE.incarnation,
        seq=2,
        digest=to_text(chain(ORIGIN, entry_messages())[-1]),
    )


def recover() -> Recover:
    """The village's database went back to its beginning: it asks its township for its own messages."""
    return Recover(sender=VILLAGE.code, receiver=TOWNSHIP.code, session="a1" * 12, lane=Lane.CASE, after=0)


def returned() -> tuple[Return, bytes]:
    """The township gives both messages back."""
    header, payload = data()
    return Return(
        sender=TOWNSHIP.code,
        receiver=VILLAGE.code,
        session="b2" * 12,
        lane=Lane.CASE,
        first=1,
        last=2,
        digest=header.digest,
        payload_digest=header.payload_digest,
    ), payload


def cover() -> Cover:
    """The village carries both messages to its township on a stick; it holds none of the township's."""
    begun, end = OutPosition(seq=0, digest=to_text(ORIGIN)), hello().lanes[Lane.CASE].out
    none = InPosition(seq=0, digest=to_text(ORIGIN))
    return Cover(
        sender=VILLAGE.code,
        receiver=TOWNSHIP.code,
        session="a1" * 12,
        sealed_to=TOWNSHIP.sealing.public,
        incarnation=VILLAGE.incarnation,
        software="liandong 0.1.0",
        made_at=MORNING,
        lanes={
            Lane.CASE: CarriedLane(after=begun, out=end, into=none),
            Lane.BULK: CarriedLane(after=begun, out=begun, into=none),
        },
        chain=chain_of_village(),
    )


def carried_blocks() -> tuple[bytes, bytes]:
    """A carried file: its beginning, and its one sealed block."""
    header, payload = data()
    sealed = write_sealed(header, payload, VILLAGE.key, TOWNSHIP.sealing.public, EPHEMERAL_SEED)
    return write_cover(cover(), VILLAGE.key), sealed


def carried_file() -> bytes:
    """The file of ``cover``."""
    return b"".join(carried_blocks())


def status_document() -> bytes:
    """The village's counters."""
    row = Row(
        code=VILLAGE.code,
        incarnation=VILLAGE.incarnation,
        counter=7,
        as_of=MORNING,
        counters={"registered": 8, "held": 3, "by_grade.low": 3, "closed": 5, "succeeded": 5},
    )
    return Snapshot(rows=(row,)).model_dump_json().encode()


def status() -> tuple[StatusFrame, bytes]:
    """The village tells its counters."""
    payload_digest, payload = pack_status(status_document())
    header = StatusFrame(
        sender=VILLAGE.code,
        receiver=TOWNSHIP.code,
        session="a1" * 12,
        payload_digest=payload_digest,
    )
    return header, payload


def message_to_county() -> Message:
    """A message of the village for the county."""
    return _message("3", Type.TRANSFER, _notice(), COUNTY)


def sealed_message() -> Message:
    """The same as the township sees it."""
    return seal_message(message_to_county(), VILLAGE.key, COUNTY.sealing.public, EPHEMERAL_SEED)


def _frame(what: str, header: Header, key: SigningKey, payload: bytes = b"") -> Example:
    frame = write_frame(header, key, payload)
    length = int.from_bytes(frame[4:6], "big")
    return {
        "what": what,
        "prefix_hex": frame[:6].hex(),
        "header": frame[6 : 6 + length].decode(),
        "signature": to_text(frame[6 + length : 70 + length]),
        "signing_key": key.public,
        "payload_hex": payload.hex(),
        "frame_hex": frame.hex(),
    }


def examples() -> dict[str, Example]:
    """All examples by name."""
    data_header, data_payload = data()
    status_header, status_payload = status()
    return_header, return_payload = returned()
    messages = entry_messages()
    line = write_message(message_to_county())
    found: dict[str, Example] = {
        "hello": _frame("HELLO of the village to its township, in answer to the township's", hello(), VILLAGE.key),
        "data": _frame("DATA: two messages of one escalation", data_header, VILLAGE.key, data_payload)
        | {
            "messages": [message.decode() for message in messages],
            "digests": [to_text(link) for link in chain(ORIGIN, messages)],
        },
        "ack": _frame("ACK: the township's database holds both", ack(), TOWNSHIP.key),
        "status": _frame("STATUS: the village's counters", status_header, VILLAGE.key, status_payload)
        | {"document": status_document().decode()},
        "recover": _frame("RECOVER: the restored village asks for its own messages", recover(), VILLAGE.key),
        "return": _frame("RETURN: the township gives them back", return_header, TOWNSHIP.key, return_payload),
        "carry": {
            "what": "A carried file of the village for its township with both messages of one escalation",
            "cover": cover().model_dump_json(exclude_none=True),
            "begins_hex": carried_file()[:18].hex(),
            "signing_key": VILLAGE.key.public,
            "sealing_key": TOWNSHIP.sealing.public,
            "messages": [message.decode() for message in messages],
            "file_hex": carried_file().hex(),
        },
        "sealed_message": {
            "what": "A message of the village for the county, as it is written and as the township relays it",
            "message": line.decode(),
            "message_signature": to_text(VILLAGE.key.sign(b"liandong message 1", line)),
            "signing_key": VILLAGE.key.public,
            "sealing_key": COUNTY.sealing.public,
            "sealed": write_message(sealed_message()).decode(),
        },
    }
    return {name: {**example, "seeds": SEEDS, "zstd": _zstd()} for name, example in found.items()}


def _zstd() -> str:
    return ".".join(str(part) for part in zstandard.ZSTD_VERSION)


def write() -> None:
    """Write all examples anew."""
    GOLDEN.mkdir(exist_ok=True)
    for name, example in examples().items():
        text = json.dumps(example, ensure_ascii=False, indent=2)
        (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
