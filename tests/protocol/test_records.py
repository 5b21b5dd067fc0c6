"""Signed records: heads that always verify, bodies that can be removed."""

from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from protocol.codes import Category
from protocol.entries import (
    CONTEXT,
    EntryHead,
    Kind,
    Noted,
    Party,
    Registered,
    parse_body,
    read_entry,
    verify_entry,
    write_entry,
)
from protocol.errors import BadRecord, RemoteError
from protocol.keys import SigningKey, digest, from_text, to_text
from protocol.records import (
    ACTOR_MAX,
    BODY_MAX_BYTES,
    NUMBER_MAX,
    SALT_BYTES,
    BodyTooLarge,
    Count,
    DigestText,
    Frozen,
    Instant,
    Number,
    Record,
    Token,
    instant_text,
)
from tests.protocol.hostile import BRIEFLY, LONG, hostile_variants, mutated

T = TypeVar("T")

KEY = SigningKey(b"\x01" * 32)
SALT = b"\x02" * SALT_BYTES
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
BODY = Registered(
    number="532923102205-2026-0008",
    display_number="谢官营〔2026〕8号",
    title="宅基地边界争议",
    category=Category.HOUSING_HOMESTEAD,
    place="谢官营三组",
    parties=(Party(name="张某", phone="13900000000"), Party(name="王某")),
    occurred_at=NOON,
)


def head(kind: Kind = Kind.REGISTERED, actor: str = "李秀英") -> EntryHead:
    """A head, its body's digest still to come."""
    return EntryHead(
        case_id="case-1", epoch=1, seq=1, kind=kind, at=NOON, center="532923102205", actor=actor, body_digest=""
    )


RECORD = write_entry(KEY, head(), BODY, SALT).record


def noted(size: int) -> Noted:
    """A note whose body has about this many bytes."""
    return Noted.model_construct(text="a" * (size - len('{"text":""}')), request=None)


# --- writing and reading -------------------------------------------------------------------------------------


def test_an_entry_is_read_as_it_was_written() -> None:
    written = write_entry(KEY, head(), BODY, SALT)
    read = read_entry(Record.model_validate_json(written.record.model_dump_json()))
    assert read == written
    assert read.body == BODY
    verify_entry(read, (KEY.public,))


def test_the_head_is_kept_as_the_text_that_was_signed_with_fields_of_a_newer_version() -> None:
    newer = RECORD.head[:-1] + ',"of a newer version":[1,2]}'
    record = RECORD.model_copy(
        update={"head": newer, "signature": to_text(KEY.sign(CONTEXT, newer.encode()))},
    )
    entry = read_entry(record)
    verify_entry(entry, (KEY.public,))
    assert entry.record.head == newer


def test_a_head_verifies_also_without_its_body() -> None:
    entry = read_entry(RECORD)
    purged = entry.record.model_copy(update={"body": None, "salt": None})
    verify_entry(type(entry)(record=purged, head=entry.head, body=entry.body), (KEY.public,))
    with pytest.raises(BadRecord, match="body is missing"):
        read_entry(purged)


def test_any_of_the_authors_keys_may_have_signed() -> None:
    other = SigningKey(b"\x09" * 32).public
    verify_entry(read_entry(RECORD), (other, KEY.public))
    for keys in ((), (other,)):
        with pytest.raises(BadRecord, match="signature does not verify"):
            verify_entry(read_entry(RECORD), keys)


def test_a_changed_head_does_not_verify() -> None:
    changed = RECORD.model_copy(update={"head": RECORD.head.replace("李秀英", "李秀兰")})
    with pytest.raises(BadRecord, match="signature does not verify"):
        verify_entry(read_entry(changed), (KEY.public,))


def test_a_signature_over_something_else_does_not_verify() -> None:
    signature = to_text(KEY.sign(b"liandong request 1", RECORD.head.encode()))
    with pytest.raises(BadRecord, match="signature does not verify"):
        verify_entry(read_entry(RECORD.model_copy(update={"signature": signature})), (KEY.public,))


@pytest.mark.parametrize(
    "change",
    [
        {"body": RECORD.body + " " if RECORD.body else None},
        {"salt": to_text(b"\x03" * SALT_BYTES)},
        {"salt": to_text(b"")},
    ],
)
def test_another_body_or_salt_does_not_fit_the_head(change: dict[str, str]) -> None:
    with pytest.raises(BadRecord, match="does not match its digest"):
        read_entry(RECORD.model_copy(update=change))


def test_a_salt_cannot_borrow_from_the_body() -> None:
    body = RECORD.body or ""
    moved = RECORD.model_copy(update={"salt": to_text(SALT + body[:1].encode()), "body": body[1:]})
    assert digest(from_text(moved.salt or ""), (moved.body or "").encode()) == digest(SALT, body.encode())
    with pytest.raises(BadRecord, match="does not match its digest"):
        read_entry(moved)


def test_a_body_has_at_most_32_kilobytes() -> None:
    entry = write_entry(KEY, head(Kind.NOTED), noted(BODY_MAX_BYTES), SALT)
    assert len(entry.record.body or "") == BODY_MAX_BYTES
    with pytest.raises(BodyTooLarge, match="32769 bytes"):
        write_entry(KEY, head(Kind.NOTED), noted(BODY_MAX_BYTES + 1), SALT)
    larger = entry.record.model_copy(update={"body": f"{entry.record.body} "})
    with pytest.raises(BadRecord, match="larger than 32 KB"):
        read_entry(larger)


def test_unknown_kinds_and_unfitting_bodies_are_the_peers_fault() -> None:
    with pytest.raises(BadRecord, match="unknown kind of entry 'levitated'"):
        parse_body("levitated", "{}")
    with pytest.raises(BadRecord, match="body of graded"):
        parse_body(Kind.GRADED, '{"grade":"none"}')


def test_errors_never_quote_the_input() -> None:
    secret = "13912345678"
    with pytest.raises(BadRecord) as caught:
        parse_body(Kind.REGISTERED, f'{{"parties":[{{"name":{secret}}}],"{"title"}":["{secret}"]}}')
    assert secret not in str(caught.value)
    assert secret not in str(caught.value.__cause__)


# --- values --------------------------------------------------------------------------------------------------


INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
NUMBER: TypeAdapter[int] = TypeAdapter(Number)
COUNT: TypeAdapter[int] = TypeAdapter(Count)
TOKEN: TypeAdapter[str] = TypeAdapter(Token)
DIGEST: TypeAdapter[str] = TypeAdapter(DigestText)


def accepts(kind: TypeAdapter[T], value: object) -> bool:
    """Whether a field of this type takes the value."""
    try:
        kind.validate_python(value)
    except ValidationError:
        return False
    return True


def test_an_instant_has_a_zone_and_one_text() -> None:
    yunnan = datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))
    assert instant_text(yunnan) == "2026-03-02T01:00:00.000005Z"
    assert INSTANT.validate_python(yunnan).tzinfo is UTC
    assert not accepts(INSTANT, datetime(2026, 3, 2, 9))  # noqa: DTZ001 - the point of this test
    assert not accepts(INSTANT, "2026-03-02T09:00:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_an_instant_outside_the_calendar_is_refused(text: str) -> None:
    assert not accepts(INSTANT, text)


@BRIEFLY
@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]), min_value=datetime(2, 1, 1)))  # noqa: DTZ001
def test_any_instant_survives_as_text(instant: datetime) -> None:
    assert INSTANT.validate_json(f'"{instant_text(instant)}"') == instant


def test_numbers_fit_into_the_column_of_any_database() -> None:
    assert accepts(NUMBER, NUMBER_MAX)
    assert accepts(COUNT, 0)
    assert not accepts(NUMBER, 0)
    assert not accepts(NUMBER, NUMBER_MAX + 1)
    assert not accepts(COUNT, NUMBER_MAX + 1)
    assert not accepts(COUNT, -1)


@pytest.mark.parametrize("token", ["", "a" * 65, "a b", "a\n", "\0", "é", "中"])
def test_an_id_is_short_and_plain(token: str) -> None:
    assert not accepts(TOKEN, token)
    assert accepts(TOKEN, "6f1c2d9e-8a57-4a53-9d0e-3b1f5c7a9e10")


@pytest.mark.parametrize("text", ["", "A" * 44, "A" * 42 + "==", "A" * 43 + "=\n", "-" * 43 + "="])
def test_a_digest_is_the_base64_of_32_bytes(text: str) -> None:
    assert not accepts(DIGEST, text)
    assert accepts(DIGEST, to_text(bytes(32)))


def test_names_in_heads_are_bounded_and_fit_into_any_database() -> None:
    assert head(actor="李" * ACTOR_MAX).actor
    for actor in ("李" * (ACTOR_MAX + 1), "李\0"):
        with pytest.raises(ValidationError):
            head(actor=actor)


def test_values_are_frozen_and_keep_what_they_do_not_know() -> None:
    class Value(Frozen):
        known: int

    value = Value.model_validate_json('{"known":1,"unknown":[null,{}]}')
    assert value.model_dump_json() == '{"known":1,"unknown":[null,{}]}'
    with pytest.raises(ValidationError):
        value.known = 2  # type: ignore[misc]


# --- from a hostile peer -------------------------------------------------------------------------------------


def read_anything(data: bytes) -> None:
    """A record as it may come inside a message."""
    try:
        record = Record.model_validate_json(data)
    except ValidationError:
        return  # read_payload turns it into BadRecord
    entry = read_entry(record)
    verify_entry(entry, (KEY.public,))


def signed(head_text: str, body_text: str) -> Record:
    """A record over any texts, rightly signed: a peer may be hostile and yet know its key."""
    return Record.model_construct(
        head=head_text,
        signature=to_text(KEY.sign(CONTEXT, head_text.encode("utf-8", "replace"))),
        salt=to_text(SALT),
        body=body_text,
    )


def test_a_hostile_head_raises_nothing_but_the_peers_fault() -> None:
    for text in hostile_variants(RECORD.head):
        try:
            entry = read_entry(signed(text, RECORD.body or ""))
            verify_entry(entry, (KEY.public,))
        except RemoteError:
            continue
        assert entry.head.epoch <= NUMBER_MAX


def test_a_hostile_body_raises_nothing_but_the_peers_fault() -> None:
    for text in hostile_variants(RECORD.body or ""):
        raw = text.encode("utf-8", "replace")
        fitting = RECORD.head.replace(read_entry(RECORD).head.body_digest, to_text(digest(SALT, raw)))
        try:
            entry = read_entry(signed(fitting, raw.decode()))
        except RemoteError:
            continue
        entry.body.model_dump_json().encode()


def test_a_hostile_record_raises_nothing_but_the_peers_fault() -> None:
    for text in hostile_variants(RECORD.model_dump_json()):
        try:
            read_anything(text.encode("utf-8", "replace"))
        except RemoteError:
            continue


@LONG
@given(mutated(RECORD.model_dump_json().encode()))
def test_a_damaged_record_raises_nothing_but_the_peers_fault(data: bytes) -> None:
    try:
        read_anything(data)
    except RemoteError:
        return
