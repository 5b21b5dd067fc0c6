"""Certificates, and the tree that they draw."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given

from protocol.centers import CHAIN_MAX, Certificate, Claims, Tree, check
from protocol.errors import BadRecord, RemoteError
from protocol.keys import SigningKey, to_text
from tests.protocol.examples import COUNTY, MORNING, TOWNSHIP, VILLAGE, Who, certificate
from tests.protocol.hostile import LONG, hostile_variants, mutated

OTHER_TOWNSHIP = "532923103000"
OTHER_VILLAGE = "532923103201"
BELOW_VILLAGE = "532923102999"


def claims(code: str, parent: str | None, *, revoked: bool = False, level: str = "village") -> Claims:
    """Claims of a center whose keys do not matter."""
    return Claims(
        code=code,
        name=f"中心{code}",
        level=level,
        parent=parent,
        signing_key=VILLAGE.key.public,
        sealing_key=VILLAGE.sealing.public,
        version=1,
        issuer=parent or code,
        issued_at=MORNING,
        revoked=revoked,
    )


def signed(text: str, key: SigningKey = TOWNSHIP.key) -> Certificate:
    """A certificate over any text, rightly signed."""
    signature = to_text(key.sign(b"liandong certificate 1", text.encode("utf-8", "replace")))
    return Certificate.model_construct(claims=text, signature=signature)


def changed(of: Certificate, **changes: object) -> Certificate:
    """The certificate with other claims, signed again by the township."""
    return signed(json.dumps({**json.loads(of.claims), **changes}, ensure_ascii=False))


VALID = certificate(VILLAGE, TOWNSHIP)


# --- certificates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of", "issuer"), [(COUNTY, COUNTY), (TOWNSHIP, COUNTY), (VILLAGE, TOWNSHIP)])
def test_a_certificate_of_the_parent_holds_and_the_root_vouches_for_itself(of: Who, issuer: Who) -> None:
    found = check(certificate(of, issuer), (issuer.key.public,))
    assert (found.code, found.name, found.level) == (of.code, of.name, of.level)
    assert (found.signing_key, found.sealing_key) == (of.key.public, of.sealing.public)


def test_a_certificate_survives_its_text() -> None:
    again = Certificate.model_validate_json(VALID.model_dump_json())
    assert again == VALID
    assert check(again, (COUNTY.key.public, TOWNSHIP.key.public)) == VALID.parse()


def test_a_certificate_of_anybody_elses_key_does_not_hold() -> None:
    for keys in ((), (COUNTY.key.public,)):
        with pytest.raises(BadRecord, match="does not verify"):
            check(VALID, keys)


def test_a_changed_certificate_does_not_hold() -> None:
    renamed = VALID.model_copy(update={"claims": VALID.claims.replace("谢官营", "板桥")})
    with pytest.raises(BadRecord, match="does not verify"):
        check(renamed, (TOWNSHIP.key.public,))


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": VILLAGE.code},
        {"parent": None},
        {"parent": VILLAGE.code, "issuer": VILLAGE.code},
    ],
)
def test_nobody_but_the_root_vouches_for_itself(changes: dict[str, object]) -> None:
    with pytest.raises(BadRecord, match="was not issued by its parent"):
        check(changed(VALID, **changes), (TOWNSHIP.key.public,))


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(BadRecord, match="algorithm"):
        check(changed(VALID, algorithm="sm2"), (TOWNSHIP.key.public,))


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "53292310220"},
        {"name": ""},
        {"name": "长" * 101},
        {"level": "Village"},
        {"signing_key": to_text(bytes(31))},
        {"sealing_key": "no key"},
        {"version": 0},
        {"version": 2**31},
    ],
)
def test_claims_have_limits(changes: dict[str, object]) -> None:
    with pytest.raises(BadRecord, match="does not parse"):
        check(changed(VALID, **changes), (TOWNSHIP.key.public,))


def test_claims_of_a_newer_version_are_kept() -> None:
    newer = changed(VALID, phone="0872-3120000")
    assert check(newer, (TOWNSHIP.key.public,)).model_extra == {"phone": "0872-3120000"}


def test_hostile_claims_raise_nothing_but_the_peers_fault() -> None:
    for text in hostile_variants(VALID.claims):
        try:
            found = check(signed(text), (TOWNSHIP.key.public,))
        except RemoteError:
            continue
        found.model_dump_json().encode()
        Tree({found.code: found})


@LONG
@given(mutated(VALID.model_dump_json().encode()))
def test_a_damaged_certificate_raises_nothing_but_the_peers_fault(data: bytes) -> None:
    try:
        found = Certificate.model_validate_json(data)
    except ValueError:
        return  # the frame or message around it does not parse
    try:
        check(found, (TOWNSHIP.key.public,))
    except RemoteError:
        return


# --- the tree ------------------------------------------------------------------------------------------------


def tree(of: Iterable[Claims] = ()) -> Tree:
    """A county with two townships and a village each, and what is given."""
    usual = [
        claims(COUNTY.code, None, level="county"),
        claims(TOWNSHIP.code, COUNTY.code, level="township"),
        claims(VILLAGE.code, TOWNSHIP.code),
        claims(OTHER_TOWNSHIP, COUNTY.code, level="township"),
        claims(OTHER_VILLAGE, OTHER_TOWNSHIP),
    ]
    return Tree({one.code: one for one in (*usual, *of)})


def test_the_tree_knows_who_stands_where() -> None:
    federation = tree()
    assert federation.parent(VILLAGE.code) == TOWNSHIP.code
    assert federation.children(COUNTY.code) == [TOWNSHIP.code, OTHER_TOWNSHIP]
    assert federation.ancestors(VILLAGE.code) == [TOWNSHIP.code, COUNTY.code]
    assert federation.is_ancestor(COUNTY.code, VILLAGE.code)
    assert not federation.is_ancestor(VILLAGE.code, COUNTY.code)
    assert federation.descendants(COUNTY.code) == [TOWNSHIP.code, VILLAGE.code, OTHER_TOWNSHIP, OTHER_VILLAGE]
    assert federation.level(TOWNSHIP.code) == "township"
    assert federation.name(VILLAGE.code) == f"中心{VILLAGE.code}"


def test_of_strangers_the_tree_knows_nothing() -> None:
    federation = tree()
    assert not federation.known(BELOW_VILLAGE)
    assert federation.name(BELOW_VILLAGE) == BELOW_VILLAGE
    assert federation.level(BELOW_VILLAGE) == ""
    assert federation.parent(BELOW_VILLAGE) is None
    assert federation.children(BELOW_VILLAGE) == []
    assert federation.ancestors(BELOW_VILLAGE) == []


@pytest.mark.parametrize(
    ("here", "destination", "neighbour"),
    [
        (VILLAGE.code, TOWNSHIP.code, TOWNSHIP.code),
        (VILLAGE.code, COUNTY.code, TOWNSHIP.code),
        (VILLAGE.code, OTHER_VILLAGE, TOWNSHIP.code),
        (TOWNSHIP.code, OTHER_VILLAGE, COUNTY.code),
        (COUNTY.code, OTHER_VILLAGE, OTHER_TOWNSHIP),
        (OTHER_TOWNSHIP, OTHER_VILLAGE, OTHER_VILLAGE),
        (VILLAGE.code, VILLAGE.code, None),
        (VILLAGE.code, BELOW_VILLAGE, None),
    ],
)
def test_a_message_goes_to_the_child_that_serves_its_destination_or_to_the_parent(
    here: str, destination: str, neighbour: str | None
) -> None:
    assert tree().route(here, destination) == neighbour


def test_a_revoked_center_takes_no_part_any_more() -> None:
    federation = tree([claims(VILLAGE.code, TOWNSHIP.code, revoked=True)])
    assert not federation.known(VILLAGE.code)
    assert federation.route(COUNTY.code, VILLAGE.code) is None
    assert federation.children(TOWNSHIP.code) == []
    assert federation.name(VILLAGE.code) == f"中心{VILLAGE.code}", "its name stands in old logs"


def test_the_tree_may_be_deeper_than_three_levels() -> None:
    line = ["530000000000", "532900000000", COUNTY.code, TOWNSHIP.code, VILLAGE.code, BELOW_VILLAGE]
    federation = Tree(
        {code: claims(code, parent) for code, parent in zip(line, [None, *line], strict=False)},
    )
    assert federation.ancestors(BELOW_VILLAGE) == line[-2::-1]
    assert federation.descendants(line[0]) == line[1:]
    assert federation.route(line[0], BELOW_VILLAGE) == line[1]
    assert federation.route(BELOW_VILLAGE, line[0]) == VILLAGE.code


def test_certificates_that_draw_a_circle_do_not_make_us_walk_in_it() -> None:
    circle = [claims(VILLAGE.code, BELOW_VILLAGE), claims(BELOW_VILLAGE, VILLAGE.code)]
    federation = tree(circle)
    assert federation.descendants(VILLAGE.code) == [BELOW_VILLAGE]
    assert federation.descendants(COUNTY.code) == [TOWNSHIP.code, OTHER_TOWNSHIP, OTHER_VILLAGE]
    assert set(federation.ancestors(VILLAGE.code)) == {BELOW_VILLAGE, VILLAGE.code}
    assert federation.route(TOWNSHIP.code, VILLAGE.code) == COUNTY.code


def test_a_line_of_ancestors_ends_at_the_deepest_tree_that_we_accept() -> None:
    codes = [f"{number:012}" for number in range(CHAIN_MAX + 5)]
    federation = Tree({code: claims(code, parent) for code, parent in zip(codes, [None, *codes], strict=False)})
    assert len(federation.ancestors(codes[-1])) == CHAIN_MAX
