"""A case's whole history is proven, and whatever was changed in it is named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement, delete, select, text, update
from sqlalchemy.orm import Session
from typer.testing import Result

from node.cases.proof import ROLLOVER, Flaw, Prover
from node.cases.tables import CaseRow, EntryRow
from node.center import Center
from node.federation.tables import CertificateRow
from protocol.centers import issue
from tests.cases.scene import TOWN, VILLAGE, Desk, Scene
from tests.commands import run


class Undo(Exception):
    """What was written is not to stay."""


@contextmanager
def undone(center: Center) -> Iterator[Session]:
    """A unit of work that leaves nothing; the center runs, so it takes its turn to write from the beginning on."""
    with suppress(Undo), center.database.write() as session:
        yield session
        raise Undo


UNSYNCED = {"synchronize_session": False}
"""What is loaded stays as it is: sealed columns can't be compared."""

Tamper = Callable[[Session, str, str], object]


def of(case: str, seq: int) -> ColumnElement[bool]:
    return (EntryRow.case_id == case) & (EntryRow.seq == seq)


def borrow(column: str) -> Tamper:
    """Entry 2 gets this column of entry 3."""

    def tamper(session: Session, case: str, _other: str) -> None:
        lent = session.scalar(select(getattr(EntryRow, column)).where(of(case, 3)))
        session.execute(update(EntryRow).where(of(case, 2)).values({column: lent}), execution_options=UNSYNCED)

    return tamper


def retarget(session: Session, case: str, other: str) -> None:
    """The other case's second entry stands in the place of ours."""
    there = session.scalars(select(EntryRow).where(of(other, 2))).one()
    values = {name: getattr(there, name) for name in ("head", "signature", "salt", "body", "kind", "at", "epoch")}
    session.execute(update(EntryRow).where(of(case, 2)).values(values), execution_options=UNSYNCED)


def rename(session: Session, case: str, _other: str) -> None:
    row = session.scalars(select(CaseRow).where(CaseRow.id == case)).one()
    assert row.state is not None
    session.execute(
        update(CaseRow).where(CaseRow.id == case).values(state=row.state.replace("界桩", "界石")),
        execution_options=UNSYNCED,
    )


def forge_parent(session: Session, _case: str, _other: str) -> None:
    session.execute(update(CertificateRow).where(CertificateRow.code == TOWN).values(signature="A" * 86 + "=="))


TAMPERED: list[tuple[str, Tamper, Flaw]] = [
    ("a body", borrow("body"), Flaw(2, "Its body is not the one that was signed.")),
    ("a signature", borrow("signature"), Flaw(2, "Its signature is none of its author's.")),
    ("a head", borrow("head"), Flaw(2, "Its row says something else than its signed head.")),
    ("another case's entry", retarget, Flaw(2, "Its row says something else than its signed head.")),
    (
        "a row",
        lambda session, case, _: session.execute(update(EntryRow).where(of(case, 2)).values(kind="closed")),
        Flaw(2, "Its row says something else than its signed head."),
    ),
    ("the middle", lambda s, case, _: s.execute(delete(EntryRow).where(of(case, 2))), Flaw(2, "It is missing.")),
    ("the end", lambda s, case, _: s.execute(delete(EntryRow).where(of(case, 4))), Flaw(4, "It is missing.")),
    ("the state", rename, Flaw(4, "The case is stored as something else than its log says.")),
    ("a certificate", forge_parent, Flaw(1, "No certificate that leads up to the root names its author.")),
]


@pytest.fixture(scope="module")
def cases(sqlite_scene: Scene) -> tuple[str, str]:
    """A case with four entries, and another."""
    village = sqlite_scene.village
    first, second = village.registers(title="界桩"), village.registers()
    for case in (first, second):
        village.does(case, "accept")
        village.does(case, "notes", text="看了现场")
        village.does(case, "notes", text="约好再看")
    return first, second


@pytest.mark.parametrize(("what", "tamper", "flaw"), TAMPERED, ids=[what for what, _, _ in TAMPERED])
def test_what_was_changed_in_a_history_is_named(
    sqlite_scene: Scene, cases: tuple[str, str], what: str, tamper: Tamper, flaw: Flaw
) -> None:
    del what
    center = sqlite_scene.village.center
    with undone(center) as session:
        assert Prover(session, center.root_key).prove(cases[0]).flaw is None
        tamper(session, *cases)
        prover = Prover(session, center.root_key)
        assert prover.prove(cases[0]).flaw == flaw
        assert bool(prover.bad_certificates) == (tamper is forge_parent)


def test_a_head_whose_body_was_purged_still_holds(sqlite_scene: Scene, cases: tuple[str, str]) -> None:
    center = sqlite_scene.village.center
    with undone(center) as session:
        session.execute(
            update(EntryRow).where(of(cases[0], 3)).values(salt=None, body=None), execution_options=UNSYNCED
        )
        proof = Prover(session, center.root_key).prove(cases[0])
    assert (proof.entries, proof.purged, proof.flaw) == (4, 1, None)


def test_an_old_key_signs_nothing_long_after_it_was_replaced(sqlite_scene: Scene, cases: tuple[str, str]) -> None:
    """The certificate of another key, given so long before the entries, ends the term of the first."""
    village, town = sqlite_scene.village, sqlite_scene.town
    last = village.center.directory.tree.claims[VILLAGE]
    for ago, flaw in (
        (ROLLOVER / 2, None),
        (ROLLOVER * 2, "It was signed with a key that had been replaced long before."),
    ):
        told = {"version": last.version + 1, "signing_key": last.sealing_key}
        told["issued_at"] = village.center.clock.now() - ago
        certificate = issue(town.center.identity.signing, last.model_copy(update=told))
        with undone(village.center) as session:
            row = CertificateRow(code=VILLAGE, version=last.version + 1)
            row.claims, row.signature = certificate.claims, certificate.signature
            session.add(row)
            session.flush()
            found = Prover(session, village.center.root_key).prove(cases[0]).flaw
        assert (found.reason if found is not None else None) == flaw
    assert timedelta(days=30) < ROLLOVER


def test_the_command_proves_what_came_from_others_and_names_what_does_not_hold(scene: Scene) -> None:
    case = scene.village.registers()
    scene.village.does(case, "accept")
    scene.village.does(case, "escalate", reason="需要乡镇", triggers=["group_incident"])
    scene.settle()
    directory = scene.town.member.settings.data_dir
    assert "holds" in verify(scene.town, case).output
    assert verify(scene.town).exit_code == 0
    with scene.town.center.database.write() as session:
        session.execute(text("UPDATE entries SET kind = 'noted' WHERE case_id = :case AND seq = 3"), {"case": case})
    told = verify(scene.town, case)
    assert told.exit_code == 1
    assert "entry 3 does not hold" in told.output
    with scene.town.center.database.write() as session:
        session.execute(text("UPDATE entries SET kind = 'escalated' WHERE case_id = :case AND seq = 3"), {"case": case})
    assert run("--lang", "en", "verify", "no-such-case", "-d", directory).exit_code != 0


def verify(desk: Desk, *case: str) -> Result:
    return run("--lang", "en", "verify", *case, "-d", desk.member.settings.data_dir)
