"""The nightly backup to the parent: sealed, kept, fetched back at a new machine, and taken in."""

import io
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from node.backup_key import ALPHABET, BadBackupKey, keep_public_half, new_backup_key, public_half, read_backup_key
from node.backup_sealing import PIECE_BYTES, CannotOpen, open_pieces, seal_pieces
from node.clock import LOCAL_ZONE
from node.federation import kept_backups, nightly
from node.federation.tables import KeptBackupRow, LossRow, RecoveryRow, SentBackupRow
from node.fetching import NotFetched, fetch_backup
from protocol.records import BODY_MAX_BYTES
from tests.cases.scene import FOUR, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import Wire, postgres_urls

KEY = new_backup_key(lambda count: bytes(range(count)))


# --- the key --------------------------------------------------------------------------------------------------------


def test_a_printed_key_reads_back_however_it_is_typed() -> None:
    printed = new_backup_key()
    assert len(printed.split("-")) == 6
    public = read_backup_key(printed).public
    assert read_backup_key(printed.lower().replace("-", " ")).public == public
    assert read_backup_key(printed.replace("0", "o").replace("1", "l")).public == public
    assert read_backup_key(new_backup_key()).public != public


@pytest.mark.parametrize("place", range(0, 34, 3))
def test_a_letter_typed_wrongly_is_noticed(place: int) -> None:
    printed = KEY if KEY[place] != "-" else KEY.replace("-", "", 1)
    wrong = ALPHABET[(ALPHABET.index(printed[place]) + 7) % 32] if printed[place] in ALPHABET else "7"
    with pytest.raises(BadBackupKey):
        read_backup_key(printed[:place] + wrong + printed[place + 1 :])


@pytest.mark.parametrize("text", ["", "U", KEY[:-1], KEY + "0", "密钥"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadBackupKey):
        read_backup_key(text)


def test_the_machine_keeps_only_the_public_half(tmp_path: Path) -> None:
    assert public_half(tmp_path) is None
    key = read_backup_key(KEY)
    keep_public_half(tmp_path, key)
    assert public_half(tmp_path) == key.public
    (tmp_path / "backup.key").write_text("x", encoding="ascii")
    with pytest.raises(BadBackupKey, match="--new-key"):
        public_half(tmp_path)


# --- sealing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5])
def test_pieces_open_again_and_fit_a_body(size: int) -> None:
    key, plain = read_backup_key(KEY), os.urandom(size)
    pieces = list(seal_pieces(io.BytesIO(plain), key.public))
    assert len(pieces) == max(1, -(-size // PIECE_BYTES))
    assert max(map(len, pieces)) * 4 / 3 < BODY_MAX_BYTES
    out = io.BytesIO()
    open_pieces(pieces, key, out)
    assert out.getvalue() == plain


def test_pieces_that_were_tampered_with_do_not_open() -> None:
    key = read_backup_key(KEY)
    pieces = list(seal_pieces(io.BytesIO(os.urandom(3 * PIECE_BYTES)), key.public))
    flipped = bytes([pieces[1][0] ^ 1]) + pieces[1][1:]
    for wrong in ([], pieces[:-1], pieces[1:], [pieces[0], pieces[2], pieces[1]], [pieces[0], flipped, pieces[2]]):
        with pytest.raises(CannotOpen):
            open_pieces(wrong, key, io.BytesIO())
    with pytest.raises(CannotOpen, match="another backup key"):
        open_pieces(pieces, read_backup_key(new_backup_key()), io.BytesIO())


# --- the night ------------------------------------------------------------------------------------------------------


def test_every_center_has_its_own_minute_of_the_night() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=LOCAL_ZONE)
    last = [nightly.last_appointment(f"5329231022{number:02d}", noon) for number in range(50)]
    assert len({at.replace(second=0) for at in last}) > 40
    assert all(at.date() == noon.date() and at.hour < 5 for at in last)
    early = nightly.last_appointment(VILLAGE, last[5].replace(hour=0, minute=0, second=0))
    assert early.date() == noon.date() - timedelta(days=1)


# --- there and back -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A federation on real brokers, on each kind of database; its village has a backup key."""
    if request.param == "sqlite":
        with scene_of(tmp_path, wire=Wire.NATS) as scene:
            yield scene
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(tmp_path, wire=Wire.NATS, database_url=urls) as scene:
        yield scene


def backed_up(scene: Scene) -> None:
    """The village's backup goes to the township."""
    keep_public_half(scene.village.member.settings.data_dir, read_backup_key(KEY))
    nightly.back_up_when_due(scene.village.center)  # unless its own chores were faster
    scene.run(scene.fed.until(lambda: kept(scene.town) is not None))


def kept(desk: Desk, center: str = VILLAGE) -> KeptBackupRow | None:
    with desk.center.database.read() as session:
        ours = select(KeptBackupRow).where(KeptBackupRow.center == center, KeptBackupRow.complete_at.is_not(None))
        row = session.scalar(ours.order_by(KeptBackupRow.made_at.desc()).limit(1))
        session.expunge_all()
        return row


def lost(desk: Desk) -> str | None:
    with desk.center.database.read() as session:
        return session.scalar(select(LossRow.lost).where(LossRow.center == VILLAGE))


def test_a_lost_machine_comes_back_from_its_parent(
    scene: Scene, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    never_left = scene.village.registers(title="从未离开的一件")
    scene.village.does(never_left, "accept")
    shared = scene.village.registers()
    scene.village.does(shared, "accept")
    scene.village.does(shared, "joint", partners=[OTHER_VILLAGE], reason="两村交界")
    scene.settle()
    scene.other_village.asks(shared, "joint/accept")
    scene.settle()
    backed_up(scene)
    assert b"backup.tar" not in b"".join(path.read_bytes() for path in files(scene.town)), "sealed"
    assert "从未离开".encode() not in b"".join(path.read_bytes() for path in files(scene.town))
    # After the backup: one word that others hear, one matter that they do not, and a transfer.
    scene.village.does(shared, "notes", text="备份以后")
    after = scene.village.registers()
    scene.run(scene.fed.settle())
    log = scene.village.case(never_left)["log"]
    scene.stop(VILLAGE)
    assigned = scene.town.registers()
    scene.town.does(assigned, "assign", to=VILLAGE, **FOUR)
    url = None
    if not scene.village.center.database.is_sqlite:
        url = postgres_server.url(postgres_server.create_database())
    scene.lose(VILLAGE, tmp_path / "again", url, recover=False)
    village = scene.village
    with pytest.raises(CannotOpen, match="another backup key"):
        fetch_backup(village.member.settings, read_backup_key(new_backup_key()), lambda _got, _parts: None)
    seen: list[tuple[int, int]] = []
    cases = fetch_backup(village.member.settings, read_backup_key(KEY), lambda got, parts: seen.append((got, parts)))
    assert cases == 2
    scene.start(VILLAGE)
    scene.run(scene.fed.until(lambda: ended(village)))
    scene.settle()
    village.signs_in()
    assert village.case(never_left)["log"] == log
    assert [entry["data"].get("text") for entry in village.case(shared)["log"]][-1] == "备份以后"
    assert village.case(assigned)["holder"] == VILLAGE
    assert village.sees(after) is None
    assert lost(village) == lost(scene.town) == f'{{"{datetime.now(LOCAL_ZONE).year}": "3"}}'
    village.does(never_left, "notes", text="接着办")
    scene.other_village.asks(shared, "notes", text="接着办")
    scene.settle()
    assert village.case(village.registers())["number"].endswith("-0004")
    assert scene.other_village.case(shared)["log"] == village.case(shared)["log"]


def files(desk: Desk) -> list[Path]:
    folder = desk.member.settings.data_dir / kept_backups.DIRECTORY
    return sorted(path for path in folder.rglob("*") if path.is_file())


def ended(desk: Desk) -> bool:
    with desk.center.database.read() as session:
        own = session.get(RecoveryRow, desk.code)
        return own is not None and own.told_at is not None


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Scene]:
    with scene_of(tmp_path) as scene:
        yield scene


def test_a_night_is_backed_up_once_and_a_missed_one_at_the_next_chance(quick: Scene) -> None:
    village = quick.village.center
    assert not nightly.back_up_when_due(village), "nobody drew a key"
    backed_up(quick)
    assert not nightly.back_up_when_due(village)
    quick.stop(TOWN)
    quick.fed.clock.advance(timedelta(days=1))
    assert nightly.back_up_when_due(village)
    quick.fed.clock.advance(timedelta(days=3))
    assert not nightly.back_up_when_due(village), "the last one still waits for the line"
    quick.start(TOWN)
    quick.run(quick.fed.until(lambda: nightly.is_due(village.database, VILLAGE, village.clock.now())))
    assert nightly.back_up_when_due(village)


def test_the_parent_keeps_the_newest_two(quick: Scene) -> None:
    keep_public_half(quick.village.member.settings.data_dir, read_backup_key(KEY))
    village = quick.village.center
    for _ in range(4):
        quick.fed.clock.advance(timedelta(days=1))
        quick.run(quick.fed.until(lambda: nightly.is_due(village.database, VILLAGE, village.clock.now())))
        assert nightly.back_up_when_due(village)
        quick.run(quick.fed.until(lambda: sent_nights(quick.village)[-1] in kept_nights(quick.town)))
    kept_backups.tidy(quick.town.center)
    assert kept_nights(quick.town) == sent_nights(quick.village)[-2:]
    assert len({path.parent for path in files(quick.town)}) == 2


def sent_nights(desk: Desk) -> list[datetime]:
    with desk.center.database.read() as session:
        return list(session.scalars(select(SentBackupRow.made_at).order_by(SentBackupRow.made_at)))


def kept_nights(desk: Desk) -> list[datetime]:
    with desk.center.database.read() as session:
        complete = select(KeptBackupRow.made_at).where(KeptBackupRow.complete_at.is_not(None))
        return list(session.scalars(complete.order_by(KeptBackupRow.made_at)))


def test_without_a_backup_the_parent_says_so(tmp_path: Path) -> None:
    with scene_of(tmp_path, wire=Wire.NATS) as scene:
        scene.lose(VILLAGE, tmp_path / "again", recover=False)
        with pytest.raises(NotFetched, match="keeps no backup"):
            fetch_backup(scene.village.member.settings, read_backup_key(KEY), lambda _got, _parts: None)
