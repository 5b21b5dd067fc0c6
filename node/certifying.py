"""Signing certificates, keeping them, and telling all neighbours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node.center import Center
from node.directory import add_certificates
from node.unit import Unit, unit_of
from protocol.centers import Certificate, issue, next_version
from protocol.messages import Type
from protocol.payloads import Certificates


@contextmanager
def unit_on_newest(center: Center) -> Iterator[Unit]:
    """A unit of work on the newest directory; what memory knows is put right if it fails."""
    with center.database.read() as session:
        center.directory.refresh(session)
    try:
        with unit_of(center) as unit:
            yield unit
    except BaseException:
        with center.database.read() as session:
            center.directory.refresh(session)
        raise


def certify_anew(unit: Unit, code: str, **changes: object) -> Certificate:
    """Sign and store the next certificate of a center below us, which says what the last one said but for changes."""
    last = unit.tree.claims[code]
    version = next_version(last.version, decided=last.issuer != unit.me)
    told = {"issuer": unit.me, "issued_at": unit.now, "version": version, **changes}
    certificate = issue(unit.center.identity.signing, last.model_copy(update=told))
    store(unit, certificate)
    return certificate


def store(unit: Unit, *certificates: Certificate) -> list[Certificate]:
    """Check and keep certificates, and go on by what they say; returns those that are new.

    Raises:
        BadRecord: one does not count.
    """
    added = add_certificates(unit.session, certificates, unit.center.root_key)
    if added:
        unit.tree = unit.center.directory.take(unit.session, added).tree
    return added


def spread(unit: Unit, added: Sequence[Certificate], *, but: str | None = None) -> None:
    """Tell all neighbours about certificates."""
    certificates = Certificates(certificates=tuple(added))
    for neighbour in sorted(unit.outbox.neighbours()):
        if neighbour != but:
            unit.outbox.send(Type.CERTIFICATES, certificates, neighbour, linked=True)
