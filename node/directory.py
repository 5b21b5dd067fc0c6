"""The centers we know by their certificates; kept in memory, replaced whole when a certificate comes."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from node.db import when_ended
from node.federation.tables import CertificateRow
from node.rows import table_of
from protocol.centers import Certificate, Claims, Tree, check, check_place
from protocol.errors import BadRecord

_CERTIFICATES = table_of(CertificateRow)
_COLUMNS = _CERTIFICATES.c
_STAMP = select(func.count(), func.coalesce(func.sum(_COLUMNS.version), 0)).select_from(_CERTIFICATES)
_ALL = select(_CERTIFICATES).order_by(_COLUMNS.code, _COLUMNS.version.desc())
_VERSIONS = select(_COLUMNS.claims).where(_COLUMNS.code == bindparam("of_code"))
_STORE = insert(_CERTIFICATES)
"""Asked with every certificate, of which thousands may wait; hence built once."""
CERTIFICATES = CertificateRow.__tablename__
"""The table that this is about."""


@dataclass(frozen=True)
class Known:
    """What the certificates say.

    Attributes:
        tree: newest claims of every center.
        keys: signing keys of every center, newest first; revoked centers keep theirs for old entries.
        sealing_keys: sealing keys of every center, newest first.
        certificates: the newest certificate of every center.
        formerly: parents that a center had once.
        stamp: tells one state of the table from another.
    """

    tree: Tree = field(default_factory=lambda: Tree({}))
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sealing_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    formerly: dict[str, frozenset[str]] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)

    def keys_of(self, code: str) -> tuple[str, ...]:
        """Signing keys of a center, newest first; none where we have no certificate."""
        return self.keys.get(code, ())

    def was_below(self, lower: str, upper: str) -> bool:
        """Whether ``lower`` once stood below ``upper``: what it sent then may still be on its way."""
        line = [lower, *self.tree.ancestors(lower)]
        once = {parent for one in line for parent in self.formerly.get(one, frozenset())}
        return any(upper == one or self.tree.is_ancestor(upper, one) for one in once)

    def sealing_keys_of(self, code: str) -> tuple[str, ...]:
        """Sealing keys of a center, newest first; none where we have no certificate."""
        return self.sealing_keys.get(code, ())

    def grown(self, certificate: Certificate, claims: Claims) -> "Known":
        """What is known with one more certificate, which is its center's newest."""
        code, last = claims.code, self.tree.claims.get(claims.code)
        once = self.formerly.get(code, frozenset()) | {last.parent if last is not None else None}
        formerly = frozenset(parent for parent in once if parent is not None and parent != claims.parent)
        count, versions = self.stamp
        return Known(
            Tree({**self.tree.claims, code: claims}),
            {**self.keys, code: _newest_first(claims.signing_key, self.keys_of(code))},
            {**self.sealing_keys, code: _newest_first(claims.sealing_key, self.sealing_keys_of(code))},
            {**self.certificates, code: certificate},
            {**self.formerly, code: formerly} if formerly else {k: v for k, v in self.formerly.items() if k != code},
            (count + 1, versions + claims.version),
        )

    def joined(self, other: "Known") -> "Known":
        """What is known together with what another unit of work has stored meanwhile."""
        known = self
        for code, claims in other.tree.claims.items():
            ours = known.tree.claims.get(code)
            if ours is None or ours.version < claims.version:
                known = known.grown(other.certificates[code], claims)
        return known


class _Taken(NamedTuple):
    """What a unit of work that still runs has stored.

    Attributes:
        upon: what had been committed when it took its first.
        known: what its transaction knows.
    """

    upon: Known
    known: Known


def _newest_first(newest: str, before: tuple[str, ...]) -> tuple[str, ...]:
    return (newest, *(key for key in before if key != newest))


class Directory:
    """The certificates of one database, as memory knows them.

    What a unit of work has written counts at once (``take``): what comes behind a certificate may need it. If the
    unit is undone, so is that. A reader whose transaction began earlier never takes it back, nor does a unit that ran
    beside: certificates are only ever added.

    Attributes:
        known: what counts now; replaced whole.
    """

    def __init__(self) -> None:
        self.known = Known()
        self._committed = self.known
        self._writing: dict[Session, _Taken] = {}
        self._lock = threading.Lock()
        self._read: dict[str, Claims] = {}

    @property
    def tree(self) -> Tree:
        """The federation's tree."""
        return self.known.tree

    def refresh(self, session: Session) -> bool:
        """Read the table again if it changed; says whether it did.

        Args:
            session: one that has not written certificates itself.
        """
        if self._stamp(session) <= self._committed.stamp:
            return False
        found = self.read(session)
        with self._lock:
            if found.stamp <= self._committed.stamp:
                return False
            self._committed = found
            if not self._writing:
                self.known = found
        return True

    def take(self, session: Session, added: Iterable[Certificate]) -> Known:
        """Know what this unit of work has stored; it counts until the unit is undone.

        The table is read again only where more than that has changed.
        """
        known = self.known
        for certificate in added:
            claims = certificate.parse()
            last = known.tree.claims.get(claims.code)
            if last is None or last.version < claims.version:
                known = known.grown(certificate, claims)
        known = known if known.stamp == self._stamp(session) else self.read(session)
        with self._lock:
            before = self._writing[session].upon if session in self._writing else self._committed
            self._writing[session] = _Taken(before, known)
            self.known = known
        when_ended(session, "directory", partial(self._ended, session))
        return known

    def untake(self, session: Session, known: Known) -> None:
        """A part of this unit of work is undone: what was known before it counts again."""
        with self._lock:
            if session in self._writing:
                self._writing[session] = self._writing[session]._replace(known=known)
                self.known = known

    def _ended(self, session: Session, *, committed: bool) -> None:
        with self._lock:
            taken = self._writing.pop(session)
            if committed:
                alone = taken.upon is self._committed
                self._committed = taken.known if alone else self._committed.joined(taken.known)
            if not self._writing:
                self.known = self._committed

    @staticmethod
    def _stamp(session: Session) -> tuple[int, int]:
        count, versions = session.connection().execute(_STAMP).one()
        return int(count), int(versions)

    def read(self, session: Session) -> Known:
        """What the certificates say in this transaction; memory stays as it is."""
        stamp = self._stamp(session)
        newest: dict[str, Claims] = {}
        certificates: dict[str, Certificate] = {}
        keys: dict[str, list[str]] = defaultdict(list)
        parents: dict[str, set[str]] = defaultdict(set)
        sealing_keys: dict[str, list[str]] = defaultdict(list)
        for row in session.connection().execute(_ALL):
            claims = self._claims(row.signature, row.claims)
            if claims.code not in newest:
                newest[claims.code] = claims
                certificates[claims.code] = Certificate(claims=row.claims, signature=row.signature)
            if claims.signing_key not in keys[claims.code]:
                keys[claims.code].append(claims.signing_key)
            if claims.sealing_key not in sealing_keys[claims.code]:
                sealing_keys[claims.code].append(claims.sealing_key)
            if claims.parent is not None and claims.parent != newest[claims.code].parent:
                parents[claims.code].add(claims.parent)
        formerly = {code: frozenset(found) for code, found in parents.items()}
        return Known(Tree(newest), _frozen(keys), _frozen(sealing_keys), certificates, formerly, stamp)

    def _claims(self, signature: str, text: str) -> Claims:
        """The claims of a certificate; each is parsed once, since the table is read again and again."""
        claims = self._read.get(signature)
        if claims is None:
            claims = self._read[signature] = Claims.model_validate_json(text)
        return claims

    def chain(self, code: str) -> list[Certificate]:
        """A center's certificate, its parent's, and so on up to the root's."""
        known = self.known
        line = [code, *known.tree.ancestors(code)]
        return [known.certificates[one] for one in line if one in known.certificates]


def _frozen(keys: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {code: tuple(found) for code, found in keys.items()}


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
    stored = _Stored(session)
    while pending:
        waiting: list[Certificate] = []
        reason: BadRecord | None = None
        for certificate in pending:
            claims = certificate.parse()
            issuer_keys = stored.keys_of_issuer(claims, root_key)
            if not issuer_keys:
                reason = BadRecord(f"issuer of the certificate of {claims.code} is unknown")
                waiting.append(certificate)
                continue
            check(certificate, issuer_keys)
            try:
                stored.check_place(claims)
            except BadRecord as error:  # what allows it may stand behind it
                reason = error
                waiting.append(certificate)
                continue
            if stored.is_new(claims):
                stored.keep(certificate, claims)
                added.append(certificate)
        if len(waiting) == len(pending):
            assert reason is not None
            raise reason
        pending = waiting
    return added


class _Stored:
    """What the table says, each center read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._versions: dict[str, list[Claims]] = {}

    def versions(self, code: str) -> list[Claims]:
        """All claims of a center."""
        if code not in self._versions:
            rows = self._session.connection().scalars(_VERSIONS, {"of_code": code})
            self._versions[code] = [Claims.model_validate_json(row) for row in rows]
        return self._versions[code]

    def newest(self, code: str) -> Claims | None:
        """The newest claims of a center."""
        return max(self.versions(code), key=lambda one: one.version, default=None)

    def keep(self, certificate: Certificate, claims: Claims) -> None:
        """Store a certificate that came in."""
        row: dict[str, object] = {"code": claims.code, "version": claims.version}
        row |= {"claims": certificate.claims, "signature": certificate.signature}
        self._session.connection().execute(_STORE, row)
        self._versions.pop(claims.code, None)

    def is_new(self, claims: Claims) -> bool:
        """Whether we don't have this version yet."""
        return all(one.version != claims.version for one in self.versions(claims.code))

    def keys_of_issuer(self, claims: Claims, root_key: str) -> tuple[str, ...]:
        """Keys that may have signed."""
        if claims.parent is None:
            return (root_key,)
        return tuple(one.signing_key for one in self.versions(claims.issuer))

    def check_place(self, claims: Claims) -> None:
        """Refuse a certificate by somebody who may not give it, or may not any more.

        Whoever has children could otherwise name itself the parent of anybody.

        Raises:
            BadRecord: says why.
        """
        check_place(claims, self.versions, self.newest)
        issuer = self.newest(claims.issuer)
        if issuer is not None and issuer.revoked and claims.issued_at >= issuer.issued_at:
            raise BadRecord(f"certificate of {claims.code} is by {issuer.code}, who was revoked before")
