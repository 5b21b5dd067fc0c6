"""Signing certificates, keeping them, and telling all neighbours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select

from node.center import Center
from node.directory import add_certificates
from node.federation.tables import CertificateRow
from node.unit import Unit, unit_of
from protocol.centers import ABOVE_STEP, TAKE_OVER_STEP, Certificate, issue, next_version
from protocol.messages import Type
from protocol.payloads import CERTIFICATES_MAX, Certificates


@contextmanager
def unit_on_newest(center: Center) -> Iterator[Unit]:
    """A unit of work on the newest directory: another process may have stored certificates just now."""
    with center.database.read() as session:
        center.directory.refresh(session)
    with unit_of(center) as unit:
        yield unit


def certify_anew(unit: Unit, code: str, *, step: int = 1, **changes: object) -> Certificate:
    """Sign and store the next certificate of a center below us, which says what the last one said but for changes.

    Args:
        unit: the unit of work.
        code: the center.
        step: its version is the next multiple of this (``protocol.centers.next_version``); where another signed the
            last one, that of a decision from above unless we take the center over.
        changes: claims that differ.
    """
    last = unit.tree.claims[code]
    if last.issuer != unit.me and step != TAKE_OVER_STEP:
        step = ABOVE_STEP
    told = {"issuer": unit.me, "issued_at": unit.now, "version": next_version(last.version, step), **changes}
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
        unit.outbox.certificates_came()
    return added


def spread(unit: Unit, added: Sequence[Certificate], *, but: str | None = None) -> None:
    """Tell all neighbours about certificates."""
    certificates = Certificates(certificates=tuple(added))
    for neighbour in sorted(unit.outbox.neighbours()):
        if neighbour != but:
            unit.outbox.send(Type.CERTIFICATES, certificates, neighbour, linked=True)


def send_all(unit: Unit, child: str) -> None:
    """Send every certificate to a new child, parents before their children, so that each can be checked on arrival."""
    rows = unit.session.scalars(select(CertificateRow)).all()
    depth = {code: len(unit.tree.ancestors(code)) for code in unit.tree.claims}
    ordered = sorted(rows, key=lambda row: (depth[row.code], row.code, row.version))
    for batch in _batches([as_certificate(row) for row in ordered]):
        unit.outbox.send(Type.CERTIFICATES, Certificates(certificates=batch), child)


def _batches(certificates: list[Certificate]) -> Iterator[tuple[Certificate, ...]]:
    for start in range(0, len(certificates), CERTIFICATES_MAX):
        yield tuple(certificates[start : start + CERTIFICATES_MAX])


def as_certificate(row: CertificateRow) -> Certificate:
    """A certificate as it was received."""
    return Certificate(claims=row.claims, signature=row.signature)
