"""Messages between centers: envelopes, payloads, seals."""

import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from protocol.centers import prove_key
from protocol.codes import Category, Grade, Status
from protocol.compression import compress
from protocol.entries import REASON_MAX, Kind
from protocol.errors import BadFrame, BadRecord, RemoteError
from protocol.keys import SealingKey, SigningKey, seal, to_text
from protocol.messages import (
    HOPS_MAX,
    MESSAGE_MAX_BYTES,
    PAYLOADS,
    Lane,
    Message,
    MessageTooLarge,
    Type,
    lane_of,
    read_message,
    read_payload,
    source_of,
    write_message,
)
from protocol.payloads import (
    CERTIFICATES_MAX,
    POLICIES_MAX,
    Absence,
    Answer,
    AttachmentAbsent,
    AttachmentPiece,
    AttachmentWanted,
    AuditHead,
    BackupOffered,
    BackupPart,
    BackupWanted,
    CaseHeader,
    Certificates,
    Days,
    Entries,
    Farewell,
    Invitation,
    InvitationKind,
    Knock,
    Lost,
    NewKey,
    Policies,
    Receipt,
    Recovered,
    Refusal,
    RequestMessage,
    RequestState,
    Told,
    TransferNotice,
    Undeliverable,
    View,
    Void,
    Welcome,
)
from protocol.policy import Policy
from protocol.policy_order import PolicyClaims, issue
from protocol.records import Frozen
from protocol.reports import ReportClaims
from protocol.reports import issue as issue_report
from protocol.sealing import CONTEXT, SEALED_MAX_PLAIN_BYTES, open_message, seal_message
from protocol.status import DayRow
from tests.protocol.examples import (
    CASE_ID,
    COUNTY,
    EPHEMERAL_SEED,
    MORNING,
    TOWNSHIP,
    VILLAGE,
    chain_of_village,
    entry_messages,
    message_to_county,
    sealed_message,
)
from tests.protocol.hostile import LONG, hostile_variants, mutated

ENTRIES = entry_messages()[0]
RECORDS = Entries.model_validate(read_message(ENTRIES).data).entries
HEADER = CaseHeader(
    case_id=CASE_ID,
    number=f"{VILLAGE.code}-2026-0008",
    display_number="谢官营〔2026〕8号",
    category=Category.HOUSING_HOMESTEAD,
    grade=Grade.HIGH,
    status=Status.MEDIATING,
    origin=VILLAGE.code,
    holder=None,
    in_transit_to=TOWNSHIP.code,
    epoch=2,
    seq=2,
    registered_at=MORNING,
)
EXAMPLES: dict[Type, Frozen] = {
    Type.ENTRIES: Entries(case_id=CASE_ID, entries=RECORDS),
    Type.TRANSFER: TransferNotice(case_id=CASE_ID, epoch=2, seq=2, kind=Kind.ESCALATED),
    Type.REFUSAL: Refusal(case_id=CASE_ID, epoch=2, reason="was refused before"),
    Type.HEADER: HEADER,
    Type.INVITATION: Invitation(
        kind=InvitationKind.JOINT, header=HEADER, title="宅基地边界争议", place="谢官营三组", reason="跨村"
    ),
    Type.REQUEST: RequestMessage(request=RECORDS[0]),
    Type.ANSWER: Answer(request_id="request-1", case_id=CASE_ID, state=RequestState.GRANTED),
    Type.VIEW: View(case_id=CASE_ID, until=MORNING),
    Type.CERTIFICATES: Certificates(certificates=chain_of_village()),
    Type.POLICIES: Policies(
        orders=(issue(COUNTY.key, PolicyClaims(issuer=COUNTY.code, issued_at=MORNING, policy=Policy(version=2))),)
    ),
    Type.NEW_KEY: NewKey(signing_key=TOWNSHIP.key.public, proof=prove_key(TOWNSHIP.key, TOWNSHIP.code)),
    Type.KNOCK: Knock(nkey="U" + "A" * 55, released_by={TOWNSHIP.code: 1000, COUNTY.code: 1}),
    Type.WELCOME: Welcome(url="tls://10.0.0.1:4222", ca="-----BEGIN CERTIFICATE-----"),
    Type.FAREWELL: Farewell(parent=COUNTY.code),
    Type.LOST: Lost(incarnation="i"),
    Type.TOLD: Told(incarnation="i", cases=3),
    Type.RECOVERED: Recovered(incarnation="i", cases=3, lost={2026: "1-3,7"}),
    Type.ATTACHMENT_WANTED: AttachmentWanted(case_id="c", sha256="5a" * 32, first=1, last=24),
    Type.ATTACHMENT_PIECE: AttachmentPiece(sha256="5a" * 32, piece=1, data="AAAA"),
    Type.ATTACHMENT_ABSENT: AttachmentAbsent(case_id="c", sha256="5a" * 32, reason=Absence.NOT_HERE),
    Type.BACKUP_PART: BackupPart(backup="5a" * 16, made_at=MORNING, part=1, parts=2, data="AAAA"),
    Type.BACKUP_WANTED: BackupWanted(incarnation="i"),
    Type.BACKUP_OFFERED: BackupOffered(backup="5a" * 16, made_at=MORNING, parts=2),
    Type.AUDIT_HEAD: AuditHead(number=7, digest="ab" * 32, before_number=3, before_digest="cd" * 32),
    Type.DAYS: Days(
        rows=(DayRow(code=VILLAGE.code, day="2026-03-02", incarnation="i", version=1, counters={"registered": 1}),),
    ),
    Type.WEEKLY_REPORT: issue_report(
        VILLAGE.key,
        ReportClaims(
            center=VILLAGE.code,
            week="2026-W10",
            version=1,
            figures={"inspections": 7, "zero_reports": 6},
            text="排查七次，零报告六次。",
            actor="王主任",
            sent_at=MORNING,
        ),
    ),
    Type.RECEIPT: Receipt(ids=("1" * 32,)),
    Type.UNDELIVERABLE: Undeliverable(message_id="1" * 32, reason="went in circles"),
    Type.VOID: Void(),
}


def message(data: JsonValue = None, type_: str = Type.VOID, *, to: str = TOWNSHIP.code) -> Message:
    """A message of the village."""
    return Message(id="1" * 32, source=source_of(VILLAGE.code), type=type_, time=MORNING, destination=to, data=data)


# --- envelopes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", EXAMPLES, ids=lambda type_: type_.name.lower())
def test_every_payload_survives_the_way(type_: Type) -> None:
    payload = EXAMPLES[type_]
    written = message(payload.model_dump(mode="json", exclude_none=True), type_)
    line = write_message(written)
    assert b"\n" not in line, "a frame's messages are lines"
    read = read_message(line)
    assert read == written
    assert read_payload(read) == payload
    assert read.sender == VILLAGE.code
    assert write_message(read) == line, "a relay passes on the same bytes"


def test_there_is_an_example_of_every_type() -> None:
    assert set(EXAMPLES) == set(PAYLOADS)
    assert set(PAYLOADS) | {Type.SEALED} == set(Type)


def test_an_envelope_is_a_cloud_event() -> None:
    fields = set(Message.model_fields)
    assert {"specversion", "id", "source", "type"} <= fields, "required by CloudEvents 1.0"
    names = fields - {"data", "data_base64"}
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in names), "attribute names of CloudEvents 1.0"
    with pytest.raises(BadRecord):
        read_message(ENTRIES.replace(b'"1.0"', b'"0.3"'))


def test_unknown_types_and_fields_are_no_errors() -> None:
    line = write_message(message({"x": None}, "cn.liandong.future.v1"))[:-1] + b',"extension":[1]}'
    read = read_message(line)
    assert read.type == "cn.liandong.future.v1"
    assert read.model_extra == {"extension": [1]}
    assert read.data == {"x": None}
    assert write_message(read) == line
    with pytest.raises(BadRecord, match="unknown type"):
        read_payload(read)


def test_a_payload_that_does_not_parse_is_the_peers_fault_and_not_quoted() -> None:
    with pytest.raises(BadRecord, match="transfer") as caught:
        read_payload(message({"case_id": ["13912345678"]}, Type.TRANSFER))
    assert "13912345678" not in str(caught.value) + str(caught.value.__cause__)


def test_only_files_daily_rows_weekly_reports_heads_and_backups_travel_in_bulk() -> None:
    assert {type_ for type_ in Type if lane_of(type_) is Lane.BULK} == {
        Type.ATTACHMENT_WANTED,
        Type.ATTACHMENT_PIECE,
        Type.ATTACHMENT_ABSENT,
        Type.AUDIT_HEAD,
        Type.DAYS,
        Type.WEEKLY_REPORT,
        Type.BACKUP_PART,
        Type.BACKUP_WANTED,
        Type.BACKUP_OFFERED,
    }
    assert lane_of("cn.liandong.future.v1") is Lane.CASE


# --- limits --------------------------------------------------------------------------------------------------


def test_a_message_has_at_most_96_kilobytes() -> None:
    room = MESSAGE_MAX_BYTES - len(write_message(message("")))
    full = write_message(message("a" * room))
    assert len(full) == MESSAGE_MAX_BYTES
    assert read_message(full).data == "a" * room
    with pytest.raises(MessageTooLarge):
        write_message(message("a" * (room + 1)))
    with pytest.raises(BadRecord, match="98305 bytes"):
        read_message(full + b" ")


def test_a_message_that_goes_in_circles_is_refused() -> None:
    line = write_message(message().model_copy(update={"hops": HOPS_MAX}))
    assert read_message(line).hops == HOPS_MAX
    with pytest.raises(BadRecord):
        read_message(line.replace(b'"hops":16', b'"hops":17'))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"id":"1111', b'"id":" 111'),
        (b'"id":"1111', b'"id":"\\u0000'),
        (b"/centers/532923102205", b"/centers/53292310220"),
        (b"/centers/532923102205", b"/people/532923102205"),
        (b"cn.liandong.void.v1", b"a" * 65),
        (b"cn.liandong.void.v1", b"\\u0000"),
        (b"cn.liandong.void.v1", b""),
        (b'"destination":"532923102000"', b'"destination":"532923102000\\n"'),
        (b"00.123456Z", b"00.123456"),
        (b'"hops":0', b'"hops":-1'),
        (b'"hops":0', b'"hops":0,"subject":"a b"'),
        (b'"hops":0', b'"hops":0,"data":NaN'),
    ],
)
def test_an_envelope_has_limits(old: bytes, new: bytes) -> None:
    line = write_message(message())
    assert old in line
    with pytest.raises(BadRecord):
        read_message(line.replace(old, new))


@pytest.mark.parametrize(
    ("type_", "changes"),
    [
        (Type.ENTRIES, {"entries": []}),
        (Type.ENTRIES, {"case_id": "a" * 65}),
        (Type.TRANSFER, {"epoch": 0}),
        (Type.TRANSFER, {"seq": 2**31}),
        (Type.TRANSFER, {"kind": "levitated"}),
        (Type.REFUSAL, {"reason": "a" * (REASON_MAX + 1)}),
        (Type.HEADER, {"number": ""}),
        (Type.HEADER, {"display_number": "8\0"}),
        (Type.HEADER, {"epoch": 2**31}),
        (Type.INVITATION, {"title": "a" * 201}),
        (Type.INVITATION, {"place": "a" * 201}),
        (Type.INVITATION, {"reason": "a" * (REASON_MAX + 1)}),
        (Type.ANSWER, {"reason": "a\0"}),
        (Type.ANSWER, {"reason": "a" * (REASON_MAX + 1)}),
        (Type.CERTIFICATES, {"certificates": [{"claims": "", "signature": ""}] * (CERTIFICATES_MAX + 1)}),
        (Type.POLICIES, {"orders": [{"claims": "", "signature": ""}] * (POLICIES_MAX + 1)}),
        (Type.TOLD, {"cases": -1}),
        (Type.RECOVERED, {"lost": {"2026": "1-"}}),
        (Type.RECEIPT, {"ids": ["a b"]}),
        (Type.UNDELIVERABLE, {"message_id": ""}),
    ],
)
def test_payloads_have_limits(type_: Type, changes: dict[str, JsonValue]) -> None:
    payload = EXAMPLES[type_].model_dump(mode="json", exclude_none=True)
    read_payload(message(payload, type_))
    with pytest.raises(BadRecord):
        read_payload(message({**payload, **changes}, type_))


# --- seals ---------------------------------------------------------------------------------------------------


def opened(outer: Message) -> Message:
    """What the county finds inside."""
    return open_message(outer, COUNTY.sealing, (VILLAGE.key.public,))


def sealed_by_hand(plain: bytes) -> Message:
    """An envelope around anything."""
    sealed = seal(COUNTY.sealing.public, plain, EPHEMERAL_SEED)
    return sealed_message().model_copy(update={"data_base64": to_text(sealed)})


def test_a_relay_sees_the_route_and_nothing_else() -> None:
    outer = write_message(sealed_message())
    assert CASE_ID.encode() not in outer
    assert Type.TRANSFER.encode() not in outer
    assert sealed_message().destination == COUNTY.code
    assert sealed_message().sender == VILLAGE.code


def test_the_destination_opens_what_the_source_signed_also_after_relays() -> None:
    relayed = sealed_message().model_copy(update={"hops": 2})
    assert opened(read_message(write_message(relayed))) == message_to_county()


def test_the_largest_message_fits_into_a_seal_however_much_of_it_is_quoted() -> None:
    room = MESSAGE_MAX_BYTES - len(write_message(message("")))
    full = message('"' * (room // 2), to=COUNTY.code)
    outer = seal_message(full, VILLAGE.key, COUNTY.sealing.public, EPHEMERAL_SEED)
    assert opened(read_message(write_message(outer))) == full


def test_nobody_else_opens_it() -> None:
    with pytest.raises(BadRecord, match="sealed to another key"):
        open_message(sealed_message(), SealingKey(b"\x77" * 32), (VILLAGE.key.public,))


@pytest.mark.parametrize("keys", [(), (TOWNSHIP.key.public,)])
def test_a_sealed_message_is_signed_by_its_source(keys: tuple[str, ...]) -> None:
    with pytest.raises(BadRecord, match="not signed by its source"):
        open_message(sealed_message(), COUNTY.sealing, keys)


@pytest.mark.parametrize(
    "change", [{"id": "9" * 32}, {"source": source_of(TOWNSHIP.code)}, {"destination": TOWNSHIP.code}]
)
def test_a_relay_cannot_put_a_sealed_message_into_another_envelope(change: dict[str, str]) -> None:
    with pytest.raises(BadRecord, match="not the one its envelope names"):
        opened(sealed_message().model_copy(update=change))


def test_an_envelope_without_content_is_refused() -> None:
    for text in (None, "", "no base64!", "AAAA"):
        with pytest.raises(BadRecord):
            opened(sealed_message().model_copy(update={"data_base64": text}))


def test_what_lies_in_a_seal_must_be_a_signed_message() -> None:
    line = write_message(message_to_county())
    with pytest.raises(BadFrame, match="damaged"):
        opened(sealed_by_hand(line))
    with pytest.raises(BadRecord, match="does not parse"):
        opened(sealed_by_hand(compress(line)))


def test_a_bomb_in_a_seal_costs_neither_memory_nor_time() -> None:
    bomb = sealed_by_hand(compress(b"a" * (64 << 20)))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BadFrame, match="too large"):
        opened(bomb)
    assert time.process_time() - began < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2 * SEALED_MAX_PLAIN_BYTES
    tracemalloc.stop()


def test_no_key_no_seal() -> None:
    with pytest.raises(BadRecord, match="no key to seal to"):
        seal_message(message_to_county(), VILLAGE.key, to_text(bytes(32)), EPHEMERAL_SEED)


# --- from a hostile peer -------------------------------------------------------------------------------------


def take(line: bytes) -> None:
    """Read a line, its payload, and pass it on."""
    read = read_message(line)
    assert b"\n" not in write_message(read)
    if read.type in PAYLOADS:
        read_payload(read).model_dump_json().encode()
    elif read.type == Type.SEALED:
        opened(read)


@pytest.mark.parametrize("type_", EXAMPLES, ids=lambda type_: type_.name.lower())
def test_a_hostile_message_raises_nothing_but_the_peers_fault(type_: Type) -> None:
    data = EXAMPLES[type_].model_dump(mode="json", exclude_none=True)
    for text in hostile_variants(write_message(message(data, type_)).decode()):
        try:
            take(text.encode("utf-8", "surrogatepass"))
        except RemoteError:
            continue


def test_hostile_content_of_a_seal_raises_nothing_but_the_peers_fault() -> None:
    inner = write_message(message_to_county()).decode()
    for text in hostile_variants(inner):
        line = text.encode("utf-8", "replace")
        for signature in (to_text(VILLAGE.key.sign(CONTEXT, line)), "", "=", "é"):
            content = Content(message=line.decode(), signature=signature).model_dump_json().encode()
            try:
                opened(sealed_by_hand(compress(content)))
            except RemoteError:
                continue
    for text in hostile_variants(Content(message=inner, signature="").model_dump_json()):
        try:
            opened(sealed_by_hand(compress(text.encode("utf-8", "replace"))))
        except RemoteError:
            continue


class Content(Frozen):
    """What a seal should hold."""

    message: str
    signature: str


@LONG
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_the_peers_fault(data: bytes) -> None:
    for use in (
        take,
        lambda plain: opened(sealed_by_hand(plain)),
        lambda plain: opened(sealed_by_hand(compress(plain))),
    ):
        try:
            use(data)
        except RemoteError:
            continue


@LONG
@given(mutated(ENTRIES))
def test_a_damaged_message_raises_nothing_but_the_peers_fault(line: bytes) -> None:
    try:
        take(line)
    except RemoteError:
        return


@LONG
@given(mutated(write_message(sealed_message())))
def test_a_damaged_sealed_message_raises_nothing_but_the_peers_fault(line: bytes) -> None:
    try:
        take(line)
    except RemoteError:
        return


def test_the_source_of_a_sealed_message_may_have_changed_its_key() -> None:
    newer = SigningKey(b"\x78" * 32)
    outer = seal_message(message_to_county(), newer, COUNTY.sealing.public, EPHEMERAL_SEED)
    assert open_message(outer, COUNTY.sealing, (newer.public, VILLAGE.key.public)) == message_to_county()
