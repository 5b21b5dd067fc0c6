"""Another signing key for a center, certified by its parent over the link; entries under the former one still verify.

Theory of operation. ``rotate`` draws a key, keeps it beside the present one, and asks the parent with a message that is
signed by the present key and holds a signature by the new one. The parent signs the next certificate, which travels to
everybody. Until it has come back the center goes on with the present key; then the new one takes its place
(``adopt``), in the files first, so that a crash in between is harmless. All keys that certificates ever named stay
known: what was signed with a former one verifies for ever, and ``liandong verify`` names what was signed with it long
after its time (``node.cases.proof.ROLLOVER``). A center that has children signs their certificates anew, so that
nothing that counts today hangs on a former key.

The root's key is the anchor that every center was founded on; it can't be changed. The keys of the link and of sealing
change with ``enroll --again``.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from node.audit.trail import COMMAND_LINE, SYSTEM, Event, record
from node.certifying import certify_anew, spread, unit_on_newest
from node.chain import adopt_files
from node.i18n import N_
from node.identity import NEXT_KEYS_FILE, Keys, load_keys, save_keys
from node.trouble import Trouble
from node.unit import Unit, unit_of
from protocol.centers import Certificate, check, check_key, prove_key
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import NewKey

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()


def rotate(center: "Center") -> None:
    """Ask the parent to certify a new key; asked again before it has answered, it is the same key.

    Raises:
        Trouble: this is the root, or the key can't be written.
        DatabaseUnavailable: nothing was asked.
    """
    parent, data_dir = center.parent, center.data_dir
    assert data_dir is not None
    if parent is None:
        raise Trouble(N_("The root's key is the anchor of all trust; it can't be changed."))
    try:
        if not (data_dir / NEXT_KEYS_FILE).exists():
            save_keys(data_dir, _next(center, load_keys(data_dir)), NEXT_KEYS_FILE)
        key = load_keys(data_dir, NEXT_KEYS_FILE).signing
    except OSError as error:
        raise Trouble(
            N_("{file} can't be written: {reason}"), file=str(data_dir / NEXT_KEYS_FILE), reason=error.strerror
        ) from error
    with unit_of(center) as unit:
        asked = NewKey(signing_key=key.public, proof=prove_key(key, center.code))
        unit.outbox.send(Type.NEW_KEY, asked, parent)
        record(unit.session, unit.now, COMMAND_LINE, Event.KEY_CHANGED, subject=center.code, step="asked")


def _next(center: "Center", keys: Keys) -> Keys:
    return Keys(center.random_bytes(32), keys.sealing_seed)


def on_new_key(unit: Unit, message: Message, payload: NewKey) -> None:
    """A child of ours wants to sign with another key.

    Raises:
        BadRecord: it is not our child, or does not show that the key is its own.
    """
    child = message.sender
    if child not in unit.tree.children(unit.me):
        raise BadRecord(f"{child} is not our child")
    check_key(child, payload.signing_key, payload.proof)
    if payload.signing_key in unit.center.directory.known.keys_of(child):
        return  # it asked twice; a former key never comes back
    certificate = certify_anew(unit, child, signing_key=payload.signing_key)
    spread(unit, [certificate])
    record(unit.session, unit.now, SYSTEM, Event.KEY_CHANGED, subject=child, step="certified")
    log.warning("child.new_key", child=child)


def go_on(center: "Center") -> None:
    """Take the new key where its certificate has come, and sign our children's certificates with it; a chore."""
    adopt(center)
    if len(center.directory.known.keys_of(center.code)) > 1:
        _sign_anew(center)


def adopt(center: "Center") -> bool:
    """Take the new key where its certificate has come; says whether it did."""
    data_dir = center.data_dir
    if data_dir is None or not (data_dir / NEXT_KEYS_FILE).exists():
        return False
    present = center.identity.signing.public
    keys = adopt_files(data_dir, load_keys(data_dir), center.directory, center.code)
    if keys.signing.public == present:
        return False
    center.identity = replace(center.identity, signing=keys.signing)
    log.warning("key.changed", center=center.code)
    return True


def _sign_anew(center: "Center") -> None:
    """Certificates of children that we signed with a former key."""
    known = center.directory.known
    if not [child for child in known.tree.children(center.code) if _signed_formerly(center, known.certificates[child])]:
        return
    with unit_on_newest(center) as unit:
        children = unit.tree.children(unit.me)
        certificates = center.directory.known.certificates
        old = [child for child in children if _signed_formerly(center, certificates[child])]
        spread(unit, [certify_anew(unit, child) for child in old])
        record(unit.session, unit.now, SYSTEM, Event.KEY_CHANGED, subject=unit.me, step=f"children {len(old)}")


def _signed_formerly(center: "Center", certificate: Certificate) -> bool:
    """Whether we signed this certificate, and not with our present key."""
    if certificate.parse().issuer != center.code:
        return False
    try:
        check(certificate, (center.identity.signing.public,))
    except BadRecord:
        return True
    return False
