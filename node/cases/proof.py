"""Proving a case: every certificate up to the root, every head's signature, every body's digest, the fold, the row.

What this shows and what not. Entries are numbered without gaps and signed with their case, epoch and number: none can
be changed, put in, taken out of the middle, moved to another place or case. A body that was purged is gone, its head
still verifies. The end of a log could be cut off together with the row that tells its length; then the copies of those
who followed the case say more than ours. Who owns a signing key may sign two histories; then two copies differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.cases.tables import CaseRow, EntryRow
from node.federation.tables import CertificateRow
from node.i18n import N_
from protocol.case import CaseState
from protocol.centers import Certificate, Claims, check
from protocol.entries import Entry, EntryHead, parse_body
from protocol.entries.entry import CONTEXT
from protocol.errors import BadRecord, OutOfOrder, Refused
from protocol.folding import fold
from protocol.records import Record, check_body, parse_head, signed_head
from protocol.requests import read_request

ROLLOVER: Final = timedelta(days=90)
"""How long a key may still have signed after the certificate of the next one was given: the center may have been
without a link, and not known yet. Frames are kept as long."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first entry of a case that does not hold.

    Attributes:
        seq: its number.
        reason: a catalog message.
    """

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check of one case found.

    Attributes:
        case_id: the case.
        number: its number.
        entries: how many entries of its log hold.
        purged: how many of them have no body any more.
        flaw: the first one that does not hold; None where all do.
    """

    case_id: str
    number: str
    entries: int
    purged: int
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class BadCertificate:
    """A certificate that does not lead up to the root."""

    code: str
    version: int


@dataclass(frozen=True, slots=True)
class KeyTerm:
    """A signing key of a center, and until when it may have signed; None while it is the newest."""

    public: str
    until: datetime | None


class _Broken(Exception):
    """An entry does not hold; the reason is a catalog message."""


class Prover:
    """Checks cases against the certificates of this database, which are checked first.

    Args:
        session: a reading session.
        root_key: the root's public signing key, the anchor of all trust.

    Attributes:
        bad_certificates: those that do not lead up to the root; nothing signed under them holds.
    """

    def __init__(self, session: Session, root_key: str) -> None:
        self._session = session
        self._terms, self.bad_certificates = _checked(session.scalars(select(CertificateRow)).all(), root_key)

    def cases(self, named: str | None = None) -> list[str]:
        """Ids of the cases whose log is here: all, or those that ``named`` names by id or number."""
        has_log = or_(CaseRow.state.is_not(None), CaseRow.id.in_(select(EntryRow.case_id)))
        known = select(CaseRow.id).where(has_log)
        if named is not None:
            known = known.where(or_(CaseRow.id == named, CaseRow.number == named, CaseRow.display_number == named))
        found = set(self._session.scalars(known))
        if named is None:
            found |= set(self._session.scalars(select(EntryRow.case_id).distinct()))
        return sorted(found)

    def prove(self, case_id: str) -> Proof:
        """Check one case."""
        row = self._session.get(CaseRow, case_id)
        entries = self._session.scalars(
            select(EntryRow).where(EntryRow.case_id == case_id).order_by(EntryRow.seq)
        ).all()
        number = row.number if row is not None else case_id
        state: CaseState | None = None
        folded, count, purged = True, 0, 0
        for seq, entry in enumerate(entries, start=1):
            try:
                read = self._entry(entry, case_id, seq)
                folded = folded and read is not None
                if folded and read is not None:
                    state = _folded(state, read)
            except _Broken as broken:
                return Proof(case_id, number, count, purged, Flaw(seq, str(broken)))
            count, purged = seq, purged + (read is None)
        flaw = _compare(row, state if folded else None, count)
        self._session.expunge_all()
        return Proof(case_id, number, count, purged, flaw)

    def _entry(self, row: EntryRow, case_id: str, seq: int) -> Entry | None:
        """One entry; None where its body was purged.

        Raises:
            _Broken: it does not hold.
        """
        if row.seq != seq:
            raise _Broken(N_("It is missing."))
        record = Record(head=row.head, signature=row.signature, salt=row.salt, body=row.body)
        try:
            head = parse_head(record, EntryHead)
        except BadRecord as error:
            raise _Broken(N_("Its head can't be read.")) from error
        told = (head.case_id, head.seq, head.epoch, head.kind, head.at, head.center)
        if told != (case_id, row.seq, row.epoch, row.kind, row.at, row.center):
            raise _Broken(N_("Its row says something else than its signed head."))
        self._check_signature(record, head)
        if record.body is None:
            return None
        try:
            body = parse_body(head.kind, check_body(record, head))
            request = getattr(body, "request", None)
            if isinstance(request, Record):
                read_request(request, self._keys_of)
        except BadRecord as error:
            raise _Broken(N_("Its body is not the one that was signed.")) from error
        return Entry(record, head, body)

    def _keys_of(self, center: str) -> tuple[str, ...]:
        return tuple(term.public for term in self._terms.get(center, ()))

    def _check_signature(self, record: Record, head: EntryHead) -> None:
        terms = self._terms.get(head.center, ())
        if not terms:
            raise _Broken(N_("No certificate that leads up to the root names its author."))
        try:
            signers = [term for term in terms if signed_head(record, CONTEXT, (term.public,)).verifies()]
        except BadRecord as error:
            raise _Broken(N_("Its signature is none of its author's.")) from error
        if not signers:
            raise _Broken(N_("Its signature is none of its author's."))
        if all(term.until is not None and head.at > term.until for term in signers):
            raise _Broken(N_("It was signed with a key that had been replaced long before."))


def prove_all(
    session: Session, root_key: str, named: str | None = None
) -> tuple[list[BadCertificate], Iterator[Proof]]:
    """Check the certificates now, and the cases as the caller asks for them."""
    prover = Prover(session, root_key)
    return prover.bad_certificates, (prover.prove(case_id) for case_id in prover.cases(named))


def _folded(state: CaseState | None, entry: Entry) -> CaseState:
    try:
        return fold(state, entry)
    except (OutOfOrder, Refused) as error:
        raise _Broken(N_("By the rules it could not follow what stands before it.")) from error


def _compare(row: CaseRow | None, state: CaseState | None, count: int) -> Flaw | None:
    """The stored state must be what the log says; that of a log with purged bodies is only as long."""
    if row is None or row.state is None:
        return None
    stored = CaseState.model_validate_json(row.state)
    if stored.seq > count:
        return Flaw(count + 1, N_("It is missing."))
    if stored.seq < count:
        return Flaw(stored.seq + 1, N_("It stands behind the end of the log."))
    if state is not None and stored != state:
        return Flaw(count, N_("The case is stored as something else than its log says."))
    return None


def _checked(
    rows: Sequence[CertificateRow], root_key: str
) -> tuple[Mapping[str, tuple[KeyTerm, ...]], list[BadCertificate]]:
    """Certificates that lead up to the root, as the terms of their keys; and those that don't."""
    good: dict[str, list[Claims]] = defaultdict(list)
    pending = list(rows)
    while pending:
        waiting = [row for row in pending if not _take(row, good, root_key)]
        if len(waiting) == len(pending):
            break
        pending = waiting
    terms = {code: _terms(claims) for code, claims in good.items()}
    return terms, [BadCertificate(row.code, row.version) for row in pending]


def _take(row: CertificateRow, good: dict[str, list[Claims]], root_key: str) -> bool:
    """Whether a certificate is signed by its issuer's key, as far as that is known by now."""
    certificate = Certificate(claims=row.claims, signature=row.signature)
    try:
        claims = certificate.parse()
        keys = (root_key,) if claims.parent is None else tuple(one.signing_key for one in good[claims.issuer])
        if (claims.code, claims.version) != (row.code, row.version):
            return False
        check(certificate, keys)
    except BadRecord:
        return False
    good[claims.code].append(claims)
    return True


def _terms(claims: Iterable[Claims]) -> tuple[KeyTerm, ...]:
    """Until when each key may have signed: some time after the first later certificate that names another."""
    ordered = sorted(claims, key=lambda one: one.version)
    found: list[KeyTerm] = []
    for place, one in enumerate(ordered):
        after = [later for later in ordered[place + 1 :] if later.signing_key != one.signing_key]
        found.append(KeyTerm(one.signing_key, after[0].issued_at + ROLLOVER if after else None))
    return tuple(found)
