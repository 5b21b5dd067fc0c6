"""Certificates are believed only from whoever may give them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from node.db import Database
from node.directory import Directory, Known, add_certificates
from node.identity import Keys, new_keys
from protocol.centers import Certificate, Claims, issue
from protocol.errors import BadRecord

COUNTY, TOWNSHIP, OTHER, VILLAGE = "532923000000", "532923102000", "532923103000", "532923102201"
PARENTS = {COUNTY: None, TOWNSHIP: COUNTY, OTHER: COUNTY, VILLAGE: TOWNSHIP}
BEGIN = datetime(2026, 3, 18, tzinfo=UTC)


class Registry:
    """Keys of four centers, and certificates over them."""

    def __init__(self) -> None:
        self.keys: dict[str, Keys] = {code: new_keys() for code in PARENTS}

    def certificate(
        self,
        code: str,
        *,
        version: int = 1,
        parent: str | None = None,
        days: int = 0,
        revoked: bool = False,
        issuer: str | None = None,
        successor: str | None = None,
        moving_to: str | None = None,
    ) -> Certificate:
        """A certificate of ``code``, by ``issuer`` (its parent without it), under ``parent`` (its own without it)."""
        above = parent or PARENTS[code]
        by = issuer or above or code
        claims = Claims(
            code=code,
            name=code,
            level="village",
            parent=above,
            signing_key=self.keys[code].signing.public,
            sealing_key=self.keys[code].sealing.public,
            version=version,
            issuer=by,
            issued_at=BEGIN + timedelta(days=days),
            revoked=revoked,
            successor=successor,
            moving_to=moving_to,
        )
        return issue(self.keys[by].signing, claims)

    def add(self, session: Session, *certificates: Certificate) -> list[Certificate]:
        """Offer certificates to a database."""
        return add_certificates(session, certificates, self.keys[COUNTY].signing.public)


@pytest.fixture
def registry(database: Database) -> Registry:
    """Four centers, all known."""
    registry = Registry()
    with database.write() as session:
        registry.add(session, *(registry.certificate(code) for code in reversed(PARENTS)))
    return registry


def test_certificates_in_any_order_make_the_tree(database: Database, registry: Registry) -> None:
    directory = Directory()
    with database.read() as session:
        assert directory.refresh(session)
        assert not directory.refresh(session), "nothing changed since"
    assert directory.tree.ancestors(VILLAGE) == [TOWNSHIP, COUNTY]
    assert [one.parse().code for one in directory.chain(VILLAGE)] == [VILLAGE, TOWNSHIP, COUNTY]
    assert directory.known.keys_of(VILLAGE) == (registry.keys[VILLAGE].signing.public,)


def test_a_certificate_known_already_is_not_new(database: Database, registry: Registry) -> None:
    with database.write() as session:
        assert registry.add(session, registry.certificate(VILLAGE)) == []


def test_nobody_names_itself_the_parent_of_another_ones_child(database: Database, registry: Registry) -> None:
    taken = registry.certificate(VILLAGE, version=2, parent=OTHER)
    with pytest.raises(BadRecord, match="another parent"), database.write() as session:
        registry.add(session, taken)


def test_a_revoked_center_gives_no_certificates_any_more(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, days=1, revoked=True))
    late = registry.certificate(VILLAGE, version=2, days=2)
    with pytest.raises(BadRecord, match="revoked before"), database.write() as session:
        registry.add(session, late)


def test_what_a_center_gave_before_its_revocation_stays_good(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, days=5, revoked=True))
        assert registry.add(session, registry.certificate(VILLAGE, version=2, days=4))


def test_a_center_enrolled_anew_gives_certificates_again(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, days=1, revoked=True))
        registry.add(session, registry.certificate(TOWNSHIP, version=3, days=2))
        assert registry.add(session, registry.certificate(VILLAGE, version=2, days=3))


def test_a_certificate_of_an_unknown_issuer_is_refused(database: Database) -> None:
    registry = Registry()
    with pytest.raises(BadRecord, match="unknown"), database.write() as session:
        registry.add(session, registry.certificate(VILLAGE))


# --- what memory knows ----------------------------------------------------------------------------------------------


def test_an_older_look_never_takes_back_what_was_committed_meanwhile(database: Database, registry: Registry) -> None:
    directory = newest(database)
    with database.read() as earlier:
        directory.refresh(earlier)
        with database.write() as session:
            released = registry.certificate(VILLAGE, version=1001, issuer=COUNTY, moving_to=OTHER)
            directory.take(session, registry.add(session, released))
        with database.read() as later:
            directory.refresh(later)
        directory.refresh(earlier)
    assert directory.tree.claims[VILLAGE].moving_to == OTHER


def test_a_look_between_two_commits_never_takes_back_the_second(database: Database, registry: Registry) -> None:
    directory = newest(database)

    def take(certificate: Certificate) -> None:
        with database.write() as session:
            directory.take(session, registry.add(session, certificate))

    take(registry.certificate(VILLAGE, version=1000, issuer=COUNTY, moving_to=OTHER))
    with database.read() as between:
        Directory().refresh(between)  # its transaction begins here
        take(registry.certificate(VILLAGE, version=1001, parent=OTHER))
        directory.refresh(between)
        assert directory.tree.parent(VILLAGE) == OTHER


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_two_units_side_by_side_both_count(database: Database, registry: Registry) -> None:
    """On PostgreSQL only: SQLite lets one write after the other."""
    directory = newest(database)
    moved = registry.certificate(VILLAGE, version=1000, issuer=COUNTY, moving_to=OTHER)
    merged = registry.certificate(TOWNSHIP, version=2, successor=OTHER)
    with database.write() as session:
        directory.take(session, registry.add(session, moved))
        with database.write() as beside:
            directory.take(beside, registry.add(beside, merged))
    assert directory.tree.claims[VILLAGE].moving_to == OTHER
    assert directory.tree.heir(TOWNSHIP) == OTHER
    with database.read() as session:
        assert not directory.refresh(session), "the table says the same"


def test_what_a_unit_of_work_writes_counts_at_once_and_not_if_it_is_undone(
    database: Database, registry: Registry
) -> None:
    directory = newest(database)
    released = registry.certificate(VILLAGE, version=1001, issuer=COUNTY, moving_to=OTHER)

    def written_and_undone() -> None:
        with database.write() as session:
            directory.take(session, registry.add(session, released))
            with database.read() as other:  # which sees the table as it was
                directory.refresh(other)
            assert directory.tree.claims[VILLAGE].moving_to == OTHER
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        written_and_undone()
    assert directory.tree.claims[VILLAGE].moving_to is None
    with database.write() as session:
        directory.take(session, registry.add(session, released))
    assert directory.tree.claims[VILLAGE].moving_to == OTHER
    with database.read() as session:
        directory.refresh(session)
    assert directory.tree.claims[VILLAGE].moving_to == OTHER


# --- centers change -------------------------------------------------------------------------------------------------


def newest(database: Database) -> Directory:
    """What a database's certificates say."""
    directory = Directory()
    with database.read() as session:
        directory.refresh(session)
    return directory


def test_whoever_stands_above_both_merges_one_center_into_another(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, successor=OTHER))
    tree = newest(database).tree
    assert (tree.heir(TOWNSHIP), tree.heir(OTHER), tree.heir("530000000000")) == (OTHER, OTHER, "530000000000")
    assert (tree.known(TOWNSHIP), tree.active(TOWNSHIP), tree.active(OTHER)) == (True, False, True)


def test_nobody_merges_its_child_into_what_is_not_its_own(database: Database, registry: Registry) -> None:
    with pytest.raises(BadRecord, match="is not above"), database.write() as session:
        registry.add(session, registry.certificate(VILLAGE, version=2, successor=OTHER))
    with pytest.raises(BadRecord, match="is not above"), database.write() as session:
        registry.add(session, registry.certificate(VILLAGE, version=2, moving_to=OTHER))


def test_a_child_that_was_released_above_is_taken_over_by_its_new_parent(
    database: Database, registry: Registry
) -> None:
    released = registry.certificate(VILLAGE, version=1000, issuer=COUNTY, moving_to=OTHER)
    taken = registry.certificate(VILLAGE, version=1001, parent=OTHER)
    with database.write() as session:
        assert registry.add(session, taken, released) == [released, taken], "in any order"
    directory = newest(database)
    assert directory.tree.parent(VILLAGE) == OTHER
    assert directory.known.was_below(VILLAGE, TOWNSHIP)
    assert not directory.known.was_below(OTHER, TOWNSHIP)


def test_the_children_of_a_merged_center_are_taken_over_by_its_successor(
    database: Database, registry: Registry
) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, successor=OTHER))
        registry.add(session, registry.certificate(VILLAGE, version=1000, parent=OTHER))
    assert newest(database).tree.ancestors(VILLAGE) == [OTHER, COUNTY]


def test_the_old_parent_does_not_take_back_what_was_taken_over(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(VILLAGE, version=1000, issuer=COUNTY, moving_to=OTHER))
        registry.add(session, registry.certificate(VILLAGE, version=1001, parent=OTHER))
    for issuer in (None, OTHER):
        again = registry.certificate(VILLAGE, version=1002, issuer=issuer)
        with pytest.raises(BadRecord), database.write() as session:
            registry.add(session, again)
    with database.write() as session:
        late = registry.certificate(VILLAGE, version=2)
        assert registry.add(session, late) == [late], "signed before it knew; a lower version changes nothing"
    assert newest(database).tree.parent(VILLAGE) == OTHER


def test_older_certificates_may_come_after_the_newest(database: Database) -> None:
    registry = Registry()
    with database.write() as session:
        registry.add(session, *(registry.certificate(code) for code in (COUNTY, TOWNSHIP, OTHER)))
        registry.add(session, registry.certificate(VILLAGE, version=1001, parent=OTHER))
        released = registry.certificate(VILLAGE, version=1000, issuer=COUNTY, moving_to=OTHER)
        assert len(registry.add(session, registry.certificate(VILLAGE), released)) == 2
    assert newest(database).tree.parent(VILLAGE) == OTHER


def test_a_circle_of_successors_says_nothing(database: Database, registry: Registry) -> None:
    with database.write() as session:
        registry.add(session, registry.certificate(TOWNSHIP, version=2, successor=OTHER))
        registry.add(session, registry.certificate(OTHER, version=2, successor=TOWNSHIP))
    tree = newest(database).tree
    assert tree.active(TOWNSHIP)
    assert tree.active(OTHER)


def told(known: Known) -> tuple[object, ...]:
    """All that a directory says."""
    return (
        known.tree.claims,
        {code: known.tree.children(code) for code in PARENTS},
        known.keys,
        known.sealing_keys,
        known.certificates,
        known.formerly,
        known.stamp,
    )


def test_what_is_taken_one_by_one_is_what_the_table_says(database: Database) -> None:
    registry = Registry()
    first = [registry.certificate(code) for code in PARENTS]
    registry.keys[TOWNSHIP] = new_keys()
    renewed = registry.certificate(TOWNSHIP, version=3)
    moved = registry.certificate(VILLAGE, version=2, parent=OTHER, issuer=COUNTY, moving_to=OTHER)
    older = registry.certificate(TOWNSHIP, version=2, days=1)
    back = registry.certificate(VILLAGE, version=3, parent=TOWNSHIP, issuer=COUNTY, moving_to=TOWNSHIP)
    directory = Directory()
    with database.write() as session:
        for certificate in [*first, renewed, moved, older, back]:
            known = directory.take(session, registry.add(session, certificate))
            assert directory.known is known
            assert told(known) == told(Directory().read(session))


def test_what_others_stored_meanwhile_is_known_with_the_next_certificate(database: Database) -> None:
    registry, directory = Registry(), Directory()
    with database.write() as session:
        registry.add(session, registry.certificate(COUNTY), registry.certificate(OTHER))
        known = directory.take(session, registry.add(session, registry.certificate(TOWNSHIP)))
        assert set(known.tree.claims) == {COUNTY, OTHER, TOWNSHIP}
        assert told(known) == told(Directory().read(session))
