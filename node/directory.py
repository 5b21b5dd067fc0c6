"""The centers we know by their certificates; kept in memory, replaced whole when a certificate comes."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.federation.tables import CertificateRow
from protocol.centers import Certificate, Claims, Tree, check
from protocol.errors import BadRecord


@dataclass(frozen=True)
class Known:
    """What the certificates say.

    Attributes:
        tree: newest claims of every center.
        keys: signing keys of every center, newest first; revoked centers keep theirs for old entries.
        certificates: the newest certificate of every center.
        stamp: tells one state of the table from another.
    """

    tree: Tree = field(default_factory=lambda: Tree({}))
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)

    def keys_of(self, code: str) -> tuple[str, ...]:
        """Signing keys of a center, newest first; none where we have no certificate."""
        return self.keys.get(code, ())


class Directory:
    """The certificates of one database."""

    def __init__(self) -> None:
        self.known = Known()
        self._read: dict[str, Claims] = {}

    @property
    def tree(self) -> Tree:
        """The federation's tree."""
        return self.known.tree

    def refresh(self, session: Session) -> bool:
        """Read the table again if it changed; says whether it did."""
        count, versions = session.execute(
            select(func.count(), func.coalesce(func.sum(CertificateRow.version), 0))
        ).one()
        stamp = (int(count), int(versions))
        if stamp == self.known.stamp:
            return False
        newest: dict[str, Claims] = {}
        certificates: dict[str, Certificate] = {}
        keys: dict[str, list[str]] = defaultdict(list)
        rows = session.scalars(select(CertificateRow).order_by(CertificateRow.code, CertificateRow.version.desc()))
        for row in rows:
            claims = self._claims(row)
            if claims.code not in newest:
                newest[claims.code] = claims
                certificates[claims.code] = Certificate(claims=row.claims, signature=row.signature)
            if claims.signing_key not in keys[claims.code]:
                keys[claims.code].append(claims.signing_key)
        found_keys = {code: tuple(found) for code, found in keys.items()}
        self.known = Known(Tree(newest), found_keys, certificates, stamp)
        return True

    def _claims(self, row: CertificateRow) -> Claims:
        """The claims of a row; each is parsed once, since many certificates arrive one by one."""
        claims = self._read.get(row.signature)
        if claims is None:
            claims = self._read[row.signature] = Claims.model_validate_json(row.claims)
        return claims

    def chain(self, code: str) -> list[Certificate]:
        """A center's certificate, its parent's, and so on up to the root's."""
        known = self.known
        line = [code, *known.tree.ancestors(code)]
        return [known.certificates[one] for one in line if one in known.certificates]


def add_certificates(session: Session, certificates: Iterable[Certificate], root_key: str) -> list[Certificate]:
    """Check certificates and store those that are new, parents before children.

    Args:
        session: a unit of work.
        certificates: in any order.
        root_key: the root's public signing key, the anchor of all trust.

    Returns:
        Those that we did not have.

    Raises:
        BadRecord: one does not verify, its issuer is unknown or was revoked before, or it takes a center away from
            its parent.
    """
    pending = list(certificates)
    added: list[Certificate] = []
    while pending:
        waiting: list[Certificate] = []
        for certificate in pending:
            claims = certificate.parse()
            issuer_keys = _issuer_keys(session, claims, root_key)
            if not issuer_keys:
                waiting.append(certificate)
                continue
            check(certificate, issuer_keys)
            _check_place(session, claims)
            if session.get(CertificateRow, (claims.code, claims.version)) is None:
                session.add(
                    CertificateRow(
                        code=claims.code,
                        version=claims.version,
                        claims=certificate.claims,
                        signature=certificate.signature,
                    )
                )
                session.flush()
                added.append(certificate)
        if len(waiting) == len(pending):
            raise BadRecord(f"issuer of the certificate of {waiting[0].parse().code} is unknown")
        pending = waiting
    return added


def _check_place(session: Session, claims: Claims) -> None:
    """Refuse a certificate that takes a center from its parent, or that its issuer signed after its own revocation.

    Whoever has children could otherwise name itself the parent of anybody. A center that moves will bring its old
    parent's release.
    """
    parents = {one.parent for one in _versions(session, claims.code)}
    if parents and claims.parent not in parents:
        raise BadRecord(f"certificate of {claims.code} names another parent than before")
    issuer = max(_versions(session, claims.issuer), key=lambda one: one.version, default=None)
    if issuer is not None and issuer.revoked and claims.issued_at >= issuer.issued_at:
        raise BadRecord(f"certificate of {claims.code} is by {issuer.code}, who was revoked before")


def _versions(session: Session, code: str) -> list[Claims]:
    rows = session.scalars(select(CertificateRow.claims).where(CertificateRow.code == code))
    return [Claims.model_validate_json(row) for row in rows]


def _issuer_keys(session: Session, claims: Claims, root_key: str) -> tuple[str, ...]:
    if claims.parent is None:
        return (root_key,)
    return tuple(one.signing_key for one in _versions(session, claims.issuer))
