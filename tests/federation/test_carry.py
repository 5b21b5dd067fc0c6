"""Files on a stick instead of a network: any order, twice, lost, and nothing is lost or doubled."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import Update, select, update

from node.federation import lanes
from node.federation.carry_in import CarriedIn, carry_in
from node.federation.carry_out import carry_out
from node.federation.tables import InboxRow, LaneRow, LinkRow, OutboxRow, ReceivedFrameRow
from node.trouble import Trouble
from protocol.carry import BLOCK_MAX_BYTES
from protocol.messages import Lane
from tests.cases.scene import COUNTY, FOUR, OTHER_VILLAGE, SESSION, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.cases.stored import traces
from tests.commands import done
from tests.conftest import PostgresServer
from tests.federation_kit import Wire, postgres_urls

pytestmark = pytest.mark.slow

PAIRS = [(VILLAGE, TOWN), (TOWN, VILLAGE), (TOWN, COUNTY), (COUNTY, TOWN), (OTHER_VILLAGE, TOWN), (TOWN, OTHER_VILLAGE)]
"""Ways that sticks go; the others have a network in these tests, or nothing to say."""


@dataclass
class Post:
    """People with sticks: files are written, carried in any order, copied, lost."""

    scene: Scene
    directory: Path
    files: list[tuple[str, Path]] = field(default_factory=list)
    written: int = 0

    def writes(self, sender: str, receiver: str) -> Path:
        self.written += 1
        file = self.directory / f"{self.written}.ldc"
        carry_out(self.scene[sender].center, receiver, file)
        self.files.append((receiver, file))
        return file

    def brings(self, sender: str, receiver: str) -> CarriedIn:
        """Write a file and carry it in at once."""
        return carry_in(self.scene[receiver].center, self.writes(sender, receiver))

    def until_quiet(self) -> None:
        """Carry files to and fro until nobody has anything to say."""
        for _ in range(12):
            if not sum([self.brings(*pair).applied for pair in PAIRS]):
                return
        raise AssertionError("files go on for ever")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A county without any network, on each kind of database."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with scene_of(directory, started=False) as scene:
            yield scene
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(directory, started=False, database_url=urls) as scene:
        yield scene


@pytest.fixture
def scene(module_scene: Scene) -> Scene:
    return module_scene


@pytest.fixture
def post(scene: Scene, tmp_path: Path) -> Iterator[Post]:
    post = Post(scene, tmp_path)
    yield post
    post.until_quiet()


def in_order_and_once(scene: Scene) -> None:
    """What every center applied of every neighbour has no gap and no overlap."""
    for desk in scene:
        with desk.member.read() as session:
            for row in session.scalars(select(InboxRow)).all():
                frames = session.execute(
                    select(ReceivedFrameRow.first_seq, ReceivedFrameRow.last_seq)
                    .where(ReceivedFrameRow.peer == row.peer, ReceivedFrameRow.lane == row.lane)
                    .order_by(ReceivedFrameRow.first_seq)
                ).all()
                following = 1
                for frame in frames:
                    assert frame.first_seq == following
                    following = frame.last_seq + 1
                assert following == row.applied_seq + 1
        assert not desk.parked()


def test_a_case_goes_up_and_comes_back_on_a_stick(scene: Scene, post: Post) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    assert scene.village.case(case)["in_transit_to"] == TOWN
    assert post.brings(VILLAGE, TOWN).applied > 0
    assert scene.town.case(case)["holder"] == TOWN

    scene.town.does(case, "accept")
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    back = post.brings(TOWN, VILLAGE)
    assert back.confirmed > 0, "the way back says what has arrived"
    assert lanes.read_records(scene.village.center.database, TOWN)[Lane.CASE].acked.seq > 0
    assert scene.village.case(case)["holder"] == VILLAGE
    post.until_quiet()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]
    assert scene.county.sees(case) == "header", "sealed messages pass the township unread, on sticks too"
    in_order_and_once(scene)


@pytest.mark.parametrize("seed", range(2))
def test_in_any_order_twice_or_lost_files_lose_and_double_nothing(scene: Scene, post: Post, seed: int) -> None:
    chance = random.Random(seed)
    cases: list[str] = []
    for _ in range(40):
        match chance.choice(["register", "act", "write", "write", "bring", "bring", "lose"]):
            case "register":
                cases.append(scene.village.registers(grade=chance.choice(["low", "high"])))
            case "act" if cases:
                somebody_acts(scene, chance, chance.choice(cases))
            case "write":
                post.writes(*chance.choice(PAIRS))
            case "bring" if post.files:
                receiver, file = chance.choice(post.files)
                carry_in(scene[receiver].center, file)
            case "lose" if post.files:
                post.files.remove(chance.choice(post.files))
            case _:
                pass
    post.until_quiet()
    for case in cases:
        holders = [desk.code for desk in scene if (row := desk.row(case)) and row.holder == desk.code]
        assert len(holders) == 1, holders
        logs = [scene[code].case(case)["log"] for code, access in scene.sees(case).items() if access == "full"]
        assert all(log == logs[0] for log in logs)
    in_order_and_once(scene)
    for receiver, file in post.files:
        assert carry_in(scene[receiver].center, file).applied == 0, "all of it is known by now"


def somebody_acts(scene: Scene, chance: random.Random, case: str) -> None:
    """The holder does something; who holds nothing does nothing."""
    holder = next((desk for desk in scene if (row := desk.row(case)) and row.holder == desk.code), None)
    if holder is None:
        return
    match chance.choice(["note", "accept", "up", "down"]):
        case "note":
            holder.post(f"/cases/{case}/notes", {"text": "走访"})
        case "accept":
            holder.post(f"/cases/{case}/accept", {})
        case "up" if holder.code != COUNTY:
            holder.post(f"/cases/{case}/escalate", {"reason": "超出能力", "triggers": ["danger_to_life"]})
        case "down" if holder.code == TOWN:
            holder.post(f"/cases/{case}/assign", {"to": chance.choice([VILLAGE, OTHER_VILLAGE]), **FOUR})
        case "down" if holder.code == COUNTY:
            holder.post(f"/cases/{case}/assign", {"to": TOWN, **FOUR})
        case _:
            holder.post(f"/cases/{case}/mediations", SESSION)


# --- what a file may not do ---------------------------------------------------------------------------------


def escalates(scene: Scene) -> str:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    return case


def refusal_of(scene: Scene, code: str, file: Path) -> str:
    with pytest.raises(Trouble) as caught:
        carry_in(scene[code].center, file)
    return caught.value.text("en")


def set_row(desk: Desk, change: Update) -> None:
    with desk.center.database.write() as session:
        session.execute(change)


def test_what_was_carried_out_can_no_longer_be_taken_back_at_once(scene: Scene, post: Post) -> None:
    case = escalates(scene)
    post.writes(VILLAGE, TOWN)
    scene.village.asks(case, "recall", reason="写错了")
    post.until_quiet()
    assert scene.village.case(case)["holder"] == VILLAGE, "the township grants it when it hears of it"


def test_a_file_that_is_damaged_anywhere_applies_nothing(scene: Scene, post: Post) -> None:
    escalates(scene)
    file = post.writes(VILLAGE, TOWN)
    before = traces(scene.town)
    data = bytearray(file.read_bytes())
    for damaged in (data[:-1], data[:-40] + b"x" + data[-39:]):
        bad = file.with_suffix(".bad")
        bad.write_bytes(damaged)
        assert "nothing was applied" in refusal_of(scene, TOWN, bad)
    assert traces(scene.town) == before


def test_a_file_is_only_for_its_receiver_and_only_from_a_neighbour(scene: Scene, post: Post) -> None:
    file = post.writes(VILLAGE, TOWN)
    assert "for another center" in refusal_of(scene, OTHER_VILLAGE, file)
    with pytest.raises(Trouble, match="no neighbour"):
        carry_out(scene.village.center, COUNTY, file.with_suffix(".2"))
    with pytest.raises(Trouble, match="exists"):
        carry_out(scene.village.center, TOWN, file)
    with pytest.raises(Trouble, match="can't be written"):
        carry_out(scene.village.center, TOWN, file / "no" / "directory.ldc")
    assert "can't be read" in refusal_of(scene, TOWN, file.with_suffix(".none"))
    assert "not written by" in refusal_of(scene, TOWN, Path(__file__))


def test_a_township_that_went_back_in_time_says_so_and_carries_no_more(scene: Scene, post: Post) -> None:
    post.until_quiet()
    row = (InboxRow.peer == VILLAGE, InboxRow.lane == Lane.CASE)
    with scene.town.member.read() as session:
        kept = session.scalars(select(InboxRow).where(*row)).one()
        now = {"applied_seq": kept.applied_seq, "applied_digest": kept.applied_digest}
    set_row(scene.town, update(InboxRow).where(*row).values(applied_seq=1))
    try:
        told = refusal_of(scene, TOWN, post.writes(VILLAGE, TOWN))
        assert "self_restored" in told
        [link] = [link for link in scene.town.links() if link["peer"] == VILLAGE]
        assert link["stop_reason"] == "self_restored"
        assert "stopped" in refusal_of(scene, TOWN, post.files[-1][1])
    finally:
        set_row(scene.town, update(InboxRow).where(*row).values(**now))
        set_row(scene.town, update(LinkRow).values(state="offline", stop_reason=None))


def test_who_was_put_back_and_is_not_healed_carries_nothing(scene: Scene, post: Post) -> None:
    file = post.writes(TOWN, VILLAGE)
    set_row(scene.village, update(LinkRow).values(healing=True))
    try:
        assert "put back from a copy" in refusal_of(scene, VILLAGE, file)
        with pytest.raises(Trouble, match="put back from a copy"):
            post.writes(VILLAGE, TOWN)
    finally:
        set_row(scene.village, update(LinkRow).values(healing=False))


def test_the_files_of_an_heir_are_taken(scene: Scene, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A village that was put back and healed goes on under a new incarnation; so do the sticks."""
    case = escalates(scene)
    center = scene.village.center
    old = center.identity
    monkeypatch.setattr(center, "identity", replace(old, incarnation="heir", former=(*old.former, old.incarnation)))
    assert post.brings(VILLAGE, TOWN).applied > 0
    assert post.brings(TOWN, VILLAGE).confirmed > 0
    assert scene.town.case(case)["holder"] == TOWN
    with scene.town.center.database.write() as session:
        session.execute(update(InboxRow).where(InboxRow.peer == VILLAGE).values(peer_incarnation=old.incarnation))


def test_a_village_that_went_back_in_time_is_refused(scene: Scene, post: Post) -> None:
    """Its next messages bear numbers that the township knows with other words."""
    post.until_quiet()
    database = scene.village.center.database
    record = lanes.read_records(database, TOWN)[Lane.CASE]
    escalates(scene)
    file = post.writes(VILLAGE, TOWN)
    escalates(scene)
    post.brings(VILLAGE, TOWN)
    lane = (LaneRow.peer == TOWN, LaneRow.lane == Lane.CASE)
    before = {"acked_seq": record.acked.seq, "acked_digest": record.acked.digest}
    set_row(scene.village, update(LaneRow).where(*lane).values(**before))
    outbox = (OutboxRow.peer == TOWN, OutboxRow.seq == record.last + 1)
    with scene.village.member.read() as session:
        body = session.scalar(select(OutboxRow.body).where(*outbox))
        digests = session.execute(select(OutboxRow.seq, OutboxRow.digest).where(OutboxRow.peer == TOWN)).all()
    assert body is not None
    set_row(scene.village, update(OutboxRow).where(*outbox).values(body=body.replace(b'"hops":0', b'"hops":1')))
    set_row(scene.village, update(OutboxRow).where(OutboxRow.seq > record.last).values(digest=None))
    try:
        forked = file.with_suffix(".forked")
        carry_out(scene.village.center, TOWN, forked)
        traced = traces(scene.town)
        assert "diverged" in refusal_of(scene, TOWN, forked)
        assert traces(scene.town) == traced
    finally:
        set_row(scene.village, update(OutboxRow).where(*outbox).values(body=body))
        for seq, digest in digests:
            set_row(scene.village, update(OutboxRow).where(OutboxRow.seq == seq).values(digest=digest))
    assert carry_in(scene.town.center, file).applied == 0


def test_what_does_not_fit_into_a_file_goes_with_a_later_one(scene: Scene, post: Post) -> None:
    post.until_quiet()
    for _ in range(3):
        escalates(scene)
    first, second = post.directory / "first.ldc", post.directory / "second.ldc"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "FRAME_MESSAGES", 2)
        out = carry_out(scene.village.center, TOWN, first, limit=BLOCK_MAX_BYTES + 4000)
    assert 0 < out.messages < out.messages + out.left
    assert carry_in(scene.town.center, first).applied == out.messages
    post.brings(TOWN, VILLAGE)
    assert carry_out(scene.village.center, TOWN, second).messages >= out.left
    carry_in(scene.town.center, second)


def test_a_file_tells_the_superior_the_counters(scene: Scene, post: Post) -> None:
    before = scene.town.get("/status")["subtree"]["registered"]
    scene.village.registers()
    post.brings(VILLAGE, TOWN)
    assert scene.town.get("/status")["subtree"]["registered"] == before + 1


# --- beside a running service -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[Wire.MEMORY, Wire.NATS])
def linked_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A county with a network, which can be taken away."""
    with scene_of(tmp_path_factory.mktemp("linked"), wire=request.param) as scene:
        scene.settle()
        yield scene


def test_a_stick_and_the_wire_take_turns(linked_scene: Scene, tmp_path: Path) -> None:
    """The village has no network for a while; its stick goes to and fro; then the network comes back."""
    scene, post = linked_scene, Post(linked_scene, tmp_path)
    scene.stop(VILLAGE)
    case = escalates(scene)
    command(scene, VILLAGE, "carry", "out", post.directory / "up.ldc")
    command(scene, TOWN, "carry", "in", post.directory / "up.ldc")
    scene.town.does(case, "accept")
    command(scene, TOWN, "carry", "out", post.directory / "down.ldc", "--for", VILLAGE)
    command(scene, VILLAGE, "carry", "in", post.directory / "down.ldc")
    assert scene.village.case(case)["holder"] == TOWN
    scene.start(VILLAGE)
    scene.town.does(case, "notes", text="网络恢复了")
    scene.settle()
    assert {link["state"] for desk in scene for link in desk.links()} == {"linked"}
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]
    in_order_and_once(scene)


def test_a_stick_that_is_carried_while_the_wire_is_up_changes_nothing(linked_scene: Scene, tmp_path: Path) -> None:
    scene = linked_scene
    with scene.offline(VILLAGE):
        case = escalates(scene)
        command(scene, VILLAGE, "carry", "out", tmp_path / "up.ldc")
    scene.settle()
    assert "Nothing new" in command(scene, TOWN, "carry", "in", tmp_path / "up.ldc")
    scene.village.asks(case, "recall", reason="写错了")
    scene.settle()
    assert scene.village.case(case)["holder"] == VILLAGE
    in_order_and_once(scene)


@pytest.mark.parametrize("attempt", range(2))
def test_stick_and_wire_at_the_same_time_apply_everything_once(
    linked_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    scene = linked_scene
    monkeypatch.setattr(lanes, "FRAME_MESSAGES", 3)
    scene.stop(VILLAGE)
    cases = [escalates(scene) for _ in range(12)]
    command(scene, VILLAGE, "carry", "out", tmp_path / "up.ldc")
    carrying = threading.Thread(target=command, args=(scene, TOWN, "carry", "in", tmp_path / "up.ldc"))
    scene.start(VILLAGE)
    time.sleep(0.05 * attempt)
    carrying.start()
    carrying.join()
    scene.settle()
    for case in cases:
        assert scene.town.case(case)["log"] == scene.village.case(case)["log"]
        assert scene.town.case(case)["holder"] == TOWN
    in_order_and_once(scene)


def command(scene: Scene, code: str, *arguments: object) -> str:
    """Run a command on a center's directory, with a database connection of its own, as another process does."""
    return done("--lang", "en", *arguments, "-d", scene[code].member.settings.data_dir)
