"""How children come to a parent and leave it.

``enroll`` makes a child's keys, its certificate and the join file that carries them; ``revoke`` cuts a child off.
Both change the database in one transaction and are safe while the center runs: it follows within a second. What the
broker must be told afterwards is ``node.brokers.install``'s work; the command line calls it at once, so a revoked child
is cut off before its parent has noticed. How a center itself comes to be is told in ``node.founding``.
"""

import json
import re
from collections import defaultdict

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from node import brokers, policies
from node.audit.trail import COMMAND_LINE, Actor, Event, record
from node.cases.numbers import NUMBER
from node.cases.tables import CaseRow
from node.cases.undelivered import give_up
from node.center import Center
from node.certifying import as_certificate, certify_anew, send_all, spread, store, unit_on_newest
from node.divisions import divisions
from node.federation.lanes import add_link, archive_link
from node.federation.nkey import new_user_seed
from node.federation.tables import CertificateRow, LaneRow, LinkRow, LossRow, OutboxRow
from node.i18n import N_
from node.identity import Keys, new_keys
from node.join_file import JoinFile
from node.level import UnknownLevel, load_level
from node.settings import Settings
from node.status.tables import DayCounterRow
from node.trouble import EnrolmentRefused
from node.unit import Unit
from protocol.centers import CHAIN_MAX, NAME_MAX, Certificate, Claims, issue
from protocol.codes import CODE_PATTERN
from protocol.keys import to_text


def enroll(
    center: Center,
    settings: Settings,
    code: str,
    *,
    name: str | None = None,
    level: str | None = None,
    again: bool = False,
    by: Actor = COMMAND_LINE,
) -> JoinFile:
    """Make a center our child; call ``brokers.install`` next.

    The child gets every certificate that we know, our other neighbours get the child's.

    Args:
        center: the parent.
        settings: the parent's.
        code: the child's division code.
        name: its name; that of the shipped divisions without it.
        level: its level; that of the shipped divisions without it.
        again: it was lost or betrayed: new keys, and a link that begins at zero. What waited to pass it waits on;
            what was for the center itself, it will ask for. If it may still be connected, ``set_aside`` it first.
        by: who does it, for the audit log.

    Raises:
        EnrolmentRefused: the code can't be enrolled here, or is enrolled already.
        BrokerTrouble: we have no broker that a child could reach.
        DatabaseUnavailable: nothing was done.
    """
    if code == center.code:
        raise EnrolmentRefused(N_("{code} is this center itself."), code=code)
    name, level = _named(center, code, name, level)
    url, ca = brokers.children_url(settings), brokers.ca_pem(settings)
    keys = new_keys(center.random_bytes)
    link_seed, link_key = new_user_seed(center.random_bytes)
    with unit_on_newest(center) as unit:
        _check_free(unit, code, again=again)
        chain = _chain(unit, center.code)
        if len(chain) >= CHAIN_MAX:
            raise EnrolmentRefused(N_("The federation is at most {limit} levels deep."), limit=CHAIN_MAX)
        numbers = _last_numbers(unit.session, code)
        waiting = _archive(unit.session, code)
        certificate = _certificate(unit, keys, code=code, name=name, level=level, link_key=link_key)
        store(unit, certificate)
        add_link(unit.session, code, "down", link_key)
        send_all(unit, code)
        policies.tell(unit, code)
        for row in waiting:
            unit.outbox.repeat(row)
        spread(unit, [certificate], but=code)
        record(unit.session, unit.now, by, Event.CHILD_ENROLLED, subject=code)
    return JoinFile(
        code=code,
        name=name,
        level=level,
        chain=(certificate, *chain),
        root_key=center.root_key,
        signing_seed=to_text(keys.signing_seed),
        sealing_seed=to_text(keys.sealing_seed),
        link_seed=link_seed,
        parent_url=url,
        ca=ca,
        numbers=numbers,
    )


def set_aside(center: Center, code: str) -> None:
    """Let go of a child that is about to be enrolled again; call ``brokers.install`` next.

    Its key counts no longer; what is for it or is to pass it goes on waiting. A running center lets go of the link
    within a second.
    """
    with center.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == code, LinkRow.direction == "down").values(nkey=None))


def revoke(center: Center, code: str, *, reason: str | None = None, by: Actor = COMMAND_LINE) -> int:
    """Cut a child off; call ``brokers.install`` next.

    What waits for it comes back, custody of transfers included; everybody learns that its keys count no longer.

    Args:
        center: the parent.
        code: the child's division code.
        reason: stands in the log of the cases that come back.
        by: who does it, for the audit log.

    Returns:
        How many transfers came back.

    Raises:
        EnrolmentRefused: it is not our child, or was revoked before.
        DatabaseUnavailable: nothing was done.
    """
    with unit_on_newest(center) as unit:
        link = unit.session.get(LinkRow, code)
        if link is None or link.direction != "down":
            raise EnrolmentRefused(N_("{code} is not a child of this center."), code=code)
        if link.revoked_at is not None:
            raise EnrolmentRefused(N_("{code} was revoked already, on {day}."), code=code, day=link.revoked_at.date())
        link.revoked_at, link.state = unit.now, "offline"
        certificate = certify_anew(unit, code, revoked=True)
        bounced = give_up(unit, code, reason or f"{code} left the federation")
        spread(unit, [certificate])
        record(unit.session, unit.now, by, Event.CHILD_REVOKED, subject=code)
        return bounced


def _named(center: Center, code: str, name: str | None, level: str | None) -> tuple[str, str]:
    """Name and level of a child, given or from the shipped divisions."""
    if not re.fullmatch(CODE_PATTERN, code):
        raise EnrolmentRefused(N_("{code} is no division code: a code has 12 digits."), code=code)
    known = divisions().get(code)
    if name is None or level is None:
        if known is None:
            raise EnrolmentRefused(N_("{code} is not among the shipped divisions; give --name and --level."), code=code)
        if known.parent != center.code:
            raise EnrolmentRefused(
                N_("{code} {name} lies under {parent}, not under {ours}. If that is meant, give --name and --level."),
                code=code,
                name=known.name,
                parent=known.parent or "-",
                ours=center.code,
            )
        name, level = name or known.name, level or known.level
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise EnrolmentRefused(N_("A center's name has 1 to {limit} characters."), limit=NAME_MAX)
    try:
        load_level(level)
    except UnknownLevel as error:
        raise EnrolmentRefused(N_("There is no level {level}."), level=level) from error
    return name, level


def _check_free(unit: Unit, code: str, *, again: bool) -> None:
    parent = unit.tree.parent(code)
    if unit.tree.known(code) and parent != unit.me:
        raise EnrolmentRefused(
            N_("{code} takes part already, under {parent}; it must be revoked there first."),
            code=code,
            parent=parent or "-",
        )
    if unit.tree.known(code) and not again:
        raise EnrolmentRefused(
            N_(
                "{code} {name} is enrolled already. With --again it gets new keys, and the center that has the old "
                "ones is cut off."
            ),
            code=code,
            name=unit.tree.name(code),
        )


def _next_version(session: Session, code: str) -> int:
    newest = session.scalar(select(func.max(CertificateRow.version)).where(CertificateRow.code == code))
    return (newest or 0) + 1


def _certificate(unit: Unit, keys: Keys, *, code: str, name: str, level: str, link_key: str) -> Certificate:
    before = unit.tree.claims.get(code)
    claims = Claims(
        code=code,
        name=name,
        level=level,
        parent=unit.me,
        signing_key=keys.signing.public,
        sealing_key=keys.sealing.public,
        version=_next_version(unit.session, code),
        issuer=unit.me,
        issued_at=unit.now,
        link_key=link_key,
        successor=before.successor if before is not None and not before.revoked else None,
    )
    return issue(unit.center.identity.signing, claims)


def _archive(session: Session, code: str) -> list[OutboxRow]:
    """Make room for a link that begins at zero; the old one's messages stay readable under ``CODE#VERSION``.

    Returns:
        Messages that waited to pass this child, in their order. What was for the child itself can't be read with its
        new keys; its transfers are still under way, and it will ask for them.
    """
    link = session.get(LinkRow, code)
    if link is None:
        return []
    kept_as = f"{code}#{_next_version(session, code) - 1}"
    revoked = link.revoked_at is not None
    archive_link(session, code, kept_as)
    session.execute(update(OutboxRow).where(OutboxRow.destination == code).values(transfer_epoch=None))
    waiting = (
        select(OutboxRow)
        .join(LaneRow, (LaneRow.peer == OutboxRow.peer) & (LaneRow.lane == OutboxRow.lane))
        .where(OutboxRow.peer == kept_as, OutboxRow.destination != code, OutboxRow.seq > LaneRow.acked_seq)
        .order_by(OutboxRow.lane, OutboxRow.seq)
    )
    return [] if revoked else list(session.scalars(waiting))


def _last_numbers(session: Session, code: str) -> dict[int, int]:
    """The last running number of each year that a center of ours is known to have given, by anything that we hold."""
    last: dict[int, int] = defaultdict(int)
    days = select(DayCounterRow.day, DayCounterRow.counters).where(DayCounterRow.code == code)
    registered: dict[int, int] = defaultdict(int)
    for day, counters in session.execute(days):
        registered[int(day[:4])] += json.loads(counters).get("registered", 0)
    numbers = list(session.scalars(select(CaseRow.number).where(CaseRow.origin == code)))
    loss = session.get(LossRow, code)
    lost = json.loads(loss.lost) if loss is not None else {}
    numbers += [f"{code}-{year}-{number}" for year, ranges in lost.items() for number in re.split("[-,]", ranges)]
    for year, count in registered.items():
        last[year] = max(last[year], count)
    for number in numbers:
        if match := NUMBER.fullmatch(number):
            last[int(match["year"])] = max(last[int(match["year"])], int(match["running"]))
    return {year: number for year, number in sorted(last.items()) if number}


def _chain(unit: Unit, code: str) -> tuple[Certificate, ...]:
    """Newest certificates of a center, its parent, and so on up to the root."""
    codes = [code, *unit.tree.ancestors(code)]
    rows = unit.session.scalars(
        select(CertificateRow).where(CertificateRow.code.in_(codes)).order_by(CertificateRow.version)
    ).all()
    newest = {row.code: row for row in rows}
    return tuple(as_certificate(newest[each]) for each in codes)
