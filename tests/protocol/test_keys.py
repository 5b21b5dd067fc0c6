"""Signatures, seals, digests and their texts."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from protocol.errors import BadRecord
from protocol.keys import (
    SEED_BYTES,
    SIGNATURE_BYTES,
    SealingKey,
    SigningKey,
    digest,
    from_text,
    same,
    seal,
    to_text,
    verify,
)
from tests.protocol.hostile import BRIEFLY

KEY = SigningKey(b"\x01" * SEED_BYTES)
SEALING = SealingKey(b"\x02" * SEED_BYTES)
EPHEMERAL = b"\x03" * SEED_BYTES


@BRIEFLY
@given(st.binary(max_size=200))
def test_what_a_key_signed_verifies(data: bytes) -> None:
    signature = KEY.sign(b"context", data)
    assert len(signature) == SIGNATURE_BYTES
    assert verify(KEY.public, b"context", data, signature)


def test_keys_and_signatures_are_those_of_rfc_8032() -> None:
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert from_text(key.public).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_a_signature_holds_for_its_context_its_data_and_its_key_only() -> None:
    signature = KEY.sign(b"liandong entry 1", b"data")
    assert not verify(KEY.public, b"liandong frame 1", b"data", signature)
    assert not verify(KEY.public, b"liandong entry 1", b"other data", signature)
    assert not verify(SigningKey(b"\x09" * 32).public, b"liandong entry 1", b"data", signature)
    assert not verify(KEY.public, b"liandong entry 1", b"data", bytes(SIGNATURE_BYTES))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_public_key_of_another_length_verifies_nothing(length: int) -> None:
    signature = KEY.sign(b"context", b"data")
    assert not verify(to_text(from_text(KEY.public).ljust(length, b"\0")[:length]), b"context", b"data", signature)


def test_a_signature_of_another_length_verifies_nothing() -> None:
    signature = KEY.sign(b"context", b"data")
    assert not verify(KEY.public, b"context", b"data", signature[:-1])
    # Cut at the right places, the same bytes would pass for a signature in an empty context.
    assert not verify(KEY.public, b"", b"", signature + b"context\0data")
    assert not verify(KEY.public, b"", signature + b"context\0data", b"")


def test_a_key_that_is_no_base64_is_the_peers_fault() -> None:
    with pytest.raises(BadRecord):
        verify("no base64!", b"context", b"data", bytes(SIGNATURE_BYTES))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        SealingKey(bytes(length))


@BRIEFLY
@given(st.binary(max_size=2000))
def test_what_was_sealed_is_opened_by_its_destination(plain: bytes) -> None:
    assert SEALING.open(seal(SEALING.public, plain, EPHEMERAL)) == plain


def test_a_seal_is_the_sealed_box_of_libsodium() -> None:
    public = from_text(SEALING.public)
    assert SEALING.open(bindings.crypto_box_seal(b"plain", public)) == b"plain"
    ephemeral_public, _ = bindings.crypto_box_seed_keypair(EPHEMERAL)
    assert seal(SEALING.public, b"plain", EPHEMERAL).startswith(ephemeral_public)


def test_nobody_else_opens_a_seal_and_no_byte_of_it_may_change() -> None:
    sealed = seal(SEALING.public, b"plain", EPHEMERAL)
    with pytest.raises(BadRecord, match="sealed to another key"):
        SealingKey(b"\x09" * 32).open(sealed)
    for place in range(len(sealed)):
        with pytest.raises(BadRecord):
            SEALING.open(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])


@BRIEFLY
@given(st.binary(max_size=100))
def test_opening_anything_else_is_the_peers_fault(data: bytes) -> None:
    with pytest.raises(BadRecord):
        SEALING.open(data)


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), b"short", b""])
def test_a_key_that_nothing_can_be_sealed_to_is_the_peers_fault(public: bytes) -> None:
    with pytest.raises(BadRecord):
        seal(to_text(public), b"plain", EPHEMERAL)


def test_a_digest_is_blake2b_of_32_bytes_over_all_parts() -> None:
    assert digest(b"ab", b"c") == digest(b"abc") == hashlib.blake2b(b"abc", digest_size=32).digest()
    assert same(digest(b"abc"), digest(b"abc"))
    assert not same(digest(b"abc"), digest(b"abd"))
    assert not same(digest(b"abc"), b"short")


@BRIEFLY
@given(st.binary(max_size=100))
def test_bytes_survive_as_text(data: bytes) -> None:
    assert from_text(to_text(data)) == data


@BRIEFLY
@given(st.text(max_size=50))
def test_any_text_is_base64_or_the_peers_fault(text: str) -> None:
    try:
        data = from_text(text)
    except BadRecord:
        return
    assert len(to_text(data)) == len(text)
