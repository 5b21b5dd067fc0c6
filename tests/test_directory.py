"""Certificates are believed only from whoever may give them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from node.db import Database
from node.directory import Directory, add_certificates
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
        self, code: str, *, version: int = 1, parent: str | None = None, days: int = 0, revoked: bool = False
    ) -> Certificate:
        """A certificate of ``code``, by ``parent`` (its own without it)."""
        above = parent or PARENTS[code]
        claims = Claims(
            code=code,
            name=code,
            level="village",
            parent=above,
            signing_key=self.keys[code].signing.public,
            sealing_key=self.keys[code].sealing.public,
            version=version,
            issuer=above or code,
            issued_at=BEGIN + timedelta(days=days),
            revoked=revoked,
        )
        return issue(self.keys[above or code].signing, claims)

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
