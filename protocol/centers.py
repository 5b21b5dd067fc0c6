"""Center certificates: who a center is, signed by its parent, chained up to the root.

A certificate says which keys speak for a code, under which parent, in which version; the highest version wins. A
revocation is a certificate of the next version with ``revoked`` set. Certificates travel through the whole
federation, so that any center can check any other's signature and seal to it.

Centers change (撤乡并镇). A certificate may name a ``successor``: the center was merged into another one or got a new
code, and takes part no more of its own. Or it may say ``moving_to``: the center is released to another parent, who
takes it over by signing its next certificate. Both are decided by whoever stands above the center and above the other
one: nobody can take a center from its parent, and nobody can put one under a parent that is not its to command. What
was decided above goes before what a parent signs meanwhile (``next_version``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from protocol.codes import CenterCode, LevelName
from protocol.errors import BadRecord
from protocol.keys import ALGORITHM, SigningKey, from_text, to_text, verify
from protocol.records import NO_NUL, DigestText, Frozen, Instant, Number

CONTEXT = b"liandong certificate 1"
NAME_MAX = 100
NKEY = r"^U[A-Z2-7]{55}$"
"""A public NKey of a user."""
CHAIN_MAX = 8
"""Levels of the deepest tree we accept: state, province, prefecture, county, township, village and two to spare."""


class Claims(Frozen):
    """What a certificate says; its exact text is what the issuer signs."""

    code: CenterCode
    name: Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=NAME_MAX)]
    level: LevelName
    parent: CenterCode | None = None
    signing_key: DigestText
    sealing_key: DigestText
    version: Number
    issuer: CenterCode
    issued_at: Instant
    algorithm: str = ALGORITHM
    revoked: bool = False
    successor: CenterCode | None = None
    moving_to: CenterCode | None = None
    link_key: Annotated[str, StringConstraints(pattern=NKEY)] | None = None
    """The public NKey with which it logs in at its parent's broker: a parent that lost all knows its children by it."""


ABOVE_STEP = 1000
"""Versions of what is decided above a center's parent are multiples of this: whatever the parent signs meanwhile, not
knowing, stays below."""
DECISION_STEP = 100
"""Versions of what the parent decides itself: a merger, a move."""
TAKE_OVER_STEP = 10
"""A new parent that takes a center over takes the next multiple of this: above whatever the old parent signed last,
below the next decision, which stands although the new parent had not heard of it."""


class Certificate(Frozen):
    """Claims as the exact text that was signed, and the issuer's signature."""

    claims: Annotated[str, Field(max_length=2048)]
    signature: Annotated[str, Field(max_length=128)]

    def parse(self) -> Claims:
        """Read the claims.

        Raises:
            BadRecord: they do not parse.
        """
        try:
            return Claims.model_validate_json(self.claims)
        except ValidationError as error:
            raise BadRecord("certificate does not parse") from error


def issue(key: SigningKey, claims: Claims) -> Certificate:
    """Sign claims with the issuer's key (the parent's; the root signs itself)."""
    unsaid = {name for name in ("successor", "moving_to", "link_key") if getattr(claims, name) is None}
    text = claims.model_dump_json(exclude=unsaid)
    return Certificate(claims=text, signature=to_text(key.sign(CONTEXT, text.encode())))


def check(certificate: Certificate, issuer_keys: tuple[str, ...]) -> Claims:
    """Check a certificate against its issuer's keys and return its claims.

    Whether this issuer may say so is ``check_place``'s question.

    Raises:
        BadRecord: the signature is none of the issuer's, a center vouches for itself that is no root, or the algorithm
            is unknown.
    """
    claims = certificate.parse()
    if claims.algorithm != ALGORITHM:
        raise BadRecord(f"certificate of {claims.code} uses an algorithm that we do not know")
    if claims.parent == claims.code or (claims.issuer == claims.code) is not (claims.parent is None):
        raise BadRecord(f"certificate of {claims.code} was not issued by its parent")
    signature = from_text(certificate.signature)
    data = certificate.claims.encode()
    if not any(verify(key, CONTEXT, data, signature) for key in issuer_keys):
        raise BadRecord(f"certificate of {claims.code} does not verify")
    return claims


KEY_CONTEXT = b"liandong key 1"


def prove_key(key: SigningKey, code: str) -> str:
    """Show that a center has the secret half of a key that it asks a certificate for."""
    return to_text(key.sign(KEY_CONTEXT, f"{code} {key.public}".encode()))


def check_key(code: str, public: str, proof: str) -> None:
    """Check that whoever asks for a certificate of a key has its secret half.

    Raises:
        BadRecord: the proof is none.
    """
    if not verify(public, KEY_CONTEXT, f"{code} {public}".encode(), from_text(proof)):
        raise BadRecord(f"{code} does not show that the new key is its own")


Newest = Callable[[str], Claims | None]
"""The newest claims that we know of a center."""


Versions = Callable[[str], Sequence[Claims]]
"""All claims that we know of a center."""


def check_place(claims: Claims, versions_of: Versions, newest: Newest) -> None:
    """Check that the issuer may give this certificate, and that the center may stand where it says.

    Args:
        claims: of a certificate that verifies.
        versions_of: all claims that we know of a center.
        newest: the newest claims of a center.

    Raises:
        BadRecord: the issuer does not stand above the center, nobody released the center to this parent, or a decision
            was signed by somebody who does not stand above both.
    """
    if claims.parent is None:
        return
    above = _line(claims.parent, newest)
    if claims.issuer not in above:
        raise BadRecord(f"certificate of {claims.code} was not issued by its parent")
    for other in (claims.successor, claims.moving_to):
        if other is not None and claims.issuer not in _once_above(other, versions_of, newest):
            raise BadRecord(f"certificate of {claims.code} was issued by {claims.issuer}, who is not above {other}")
    versions = versions_of(claims.code)
    if versions and not _may_stand(claims, versions, newest):
        raise BadRecord(f"certificate of {claims.code} names another parent than before")


def _may_stand(claims: Claims, versions: Sequence[Claims], newest: Newest) -> bool:
    """Whether a center may have this parent, or had it once: older certificates may come later than newer ones."""
    last = max(versions, key=lambda one: one.version)
    if claims.version > last.version:
        allowed = {last.parent, last.moving_to}
    else:
        allowed = {one.parent for one in versions} | {one.moving_to for one in versions}
    if claims.parent in allowed or heir(last.parent, newest) == claims.parent:
        return True
    if claims.version < last.version and heir(claims.parent, newest) == last.parent:
        return True
    return last.parent is not None and claims.issuer in _line(last.parent, newest)


def _once_above(code: str, versions_of: Versions, newest: Newest) -> set[str]:
    """A center, all who ever stood above it, and their heirs.

    Whoever decided may not have known yet that it had moved away; whoever takes the children of a merged center over
    may decide before all of them have come.
    """
    found: set[str] = set()
    waiting: list[str] = [code]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(one.parent for one in versions_of(here) if one.parent is not None)
            waiting.append(heir(here, newest) or here)
    return found


def _line(code: str, newest: Newest) -> list[str]:
    """A center and all above it."""
    found: list[str] = []
    here: str | None = code
    while here is not None and here not in found and len(found) < CHAIN_MAX:
        found.append(here)
        claims = newest(here)
        here = claims.parent if claims is not None else None
    return found


def heir(code: str | None, newest: Newest) -> str | None:
    """The center that stands for ``code`` today: itself, or the last of its successors.

    A circle of successors, as two deciders may make who don't know of each other, says nothing: nobody in it succeeds.
    """
    met: list[str] = []
    here = code
    while here is not None and here not in met:
        met.append(here)
        claims = newest(here)
        if claims is None or claims.successor is None:
            return here
        here = claims.successor
    return code


def next_version(newest: int, step: int) -> int:
    """The version of a center's next certificate: the next multiple of a step, 1 where its last issuer signs again."""
    return (newest // step + 1) * step


class Tree:
    """The federation as its newest certificates draw it.

    Args:
        claims: newest claims by code, already checked.
    """

    def __init__(self, claims: Mapping[str, Claims]) -> None:
        self.claims = dict(claims)
        self._children: dict[str, list[str]] = {}
        self._merged = any(one.successor is not None for one in self.claims.values())
        for code, one in sorted(self.claims.items()):
            if one.parent is not None and not one.revoked:
                self._children.setdefault(one.parent, []).append(code)

    def known(self, code: str) -> bool:
        """Whether a center of this code takes part."""
        return code in self.claims and not self.claims[code].revoked

    def heir(self, code: str) -> str:
        """The center that stands for ``code`` today: itself, or whom it was merged into."""
        return (heir(code, self.claims.get) or code) if self._merged else code

    def retired(self, code: str) -> bool:
        """Whether the center was merged into another one."""
        return self.heir(code) != code

    def merged(self) -> dict[str, str]:
        """Centers that were merged, and who stands for each today."""
        return {code: self.heir(code) for code in sorted(self.claims) if self.retired(code)} if self._merged else {}

    def active(self, code: str) -> bool:
        """Whether a center of this code takes part and may be given something."""
        return self.known(code) and not self.retired(code)

    def name(self, code: str) -> str:
        """The center's name; its code where we know no name."""
        return self.claims[code].name if code in self.claims else code

    def level(self, code: str) -> str:
        """The center's level; empty where we know none."""
        return self.claims[code].level if code in self.claims else ""

    def parent(self, code: str) -> str | None:
        """The center's parent."""
        return self.claims[code].parent if code in self.claims else None

    def children(self, code: str) -> list[str]:
        """Codes of the children, in order of code."""
        return self._children.get(code, [])

    def ancestors(self, code: str) -> list[str]:
        """Parent, its parent, and so on up to the root."""
        found: list[str] = []
        above = self.parent(code)
        while above is not None and above not in found and len(found) < CHAIN_MAX:
            found.append(above)
            above = self.parent(above)
        return found

    def is_ancestor(self, upper: str, lower: str) -> bool:
        """Whether ``upper`` stands above ``lower``."""
        return upper in self.ancestors(lower)

    def descendants(self, code: str) -> list[str]:
        """All centers below, parents before their children."""
        found: dict[str, None] = {}
        pending = self.children(code)[::-1]
        while pending:
            below = pending.pop()
            if below != code and below not in found:
                found[below] = None
                pending += self.children(below)[::-1]
        return list(found)

    def route(self, here: str, destination: str) -> str | None:
        """The neighbour of ``here`` through which ``destination`` is reached; None where there is none."""
        if destination == here or not self.known(destination):
            return None
        line = [destination, *self.ancestors(destination)]
        if here in line:
            return line[line.index(here) - 1]
        return self.parent(here)

    def passes(self, here: str, destination: str, center: str) -> bool:
        """Whether the way from one center to another leads through a third one."""
        if center in {here, destination}:
            return False
        ours, theirs = [here, *self.ancestors(here)], [destination, *self.ancestors(destination)]
        turning = next((code for code in ours if code in theirs), None)
        return center == turning or (center in ours) != (center in theirs)
