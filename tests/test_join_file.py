"""Joining: a file that is in order makes a center, any other makes nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.founding import init_root, join
from node.join_file import read_join_file
from node.trouble import EnrolmentRefused, Trouble
from tests.centers import COUNTY, NEIGHBOUR, TOWNSHIP, VILLAGE, Family, Made, family


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    return people.root()


def change(path: Path, **values: object) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **values}), encoding="utf-8")


@pytest.fixture
def join_path(root: Made, tmp_path: Path) -> Path:
    path = tmp_path / "join.json"
    root.enroll(TOWNSHIP).write(path)
    return path


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("is missing", Path.unlink, "can't be read"),
    ("is empty", lambda path: path.write_text(""), "damaged"),
    ("is cut off", lambda path: path.write_bytes(path.read_bytes()[:-40]), "damaged"),
    ("is something else", lambda path: path.write_text("[1]"), "damaged"),
    ("is binary", lambda path: path.write_bytes(b"\xff\xfe\x00"), "damaged"),
    ("is of a later version", lambda path: change(path, format=2), "version 2"),
    ("has no version", lambda path: change(path, format=None), "damaged"),
    ("names another code", lambda path: change(path, code=NEIGHBOUR), "damaged"),
    ("names another center", lambda path: change(path, name="云南驿镇"), "damaged"),
    ("names another level", lambda path: change(path, level="county"), "damaged"),
    ("has other keys", lambda path: change(path, signing_seed="A" * 43 + "="), "damaged"),
    ("has a short seed", lambda path: change(path, sealing_seed="AAAA"), "damaged"),
    ("has no NKey", lambda path: change(path, link_seed="SUnonsense"), "damaged"),
    ("hangs on another root", lambda path: change(path, root_key="A" * 43 + "="), "damaged"),
    ("has no chain", lambda path: change(path, chain=[]), "damaged"),
]


@pytest.mark.parametrize(("damage", "reason"), [each[1:] for each in DAMAGES], ids=[each[0] for each in DAMAGES])
def test_a_join_file_that_is_not_in_order_makes_no_center(
    join_path: Path, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(join_path)
    with pytest.raises(EnrolmentRefused, match=reason):
        join(join_path, tmp_path / "there", environment=False)
    assert not (tmp_path / "there").exists()


def test_a_chain_with_a_link_left_out_does_not_hold(people: Family, root: Made, tmp_path: Path) -> None:
    township = people.child(root, TOWNSHIP)
    path = tmp_path / "join.json"
    township.enroll(VILLAGE).write(path)
    chain = json.loads(path.read_text(encoding="utf-8"))["chain"]
    assert len(chain) == 3
    change(path, chain=[chain[0], chain[2]])
    with pytest.raises(EnrolmentRefused, match="damaged"):
        read_join_file(path)


def test_a_directory_that_is_used_is_not_touched(join_path: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "letter.txt").write_text("important")
    with pytest.raises(EnrolmentRefused, match="not empty"):
        join(join_path, there, environment=False)
    assert [path.name for path in there.iterdir()] == ["letter.txt"]


def test_nobody_joins_twice_into_one_directory(join_path: Path, tmp_path: Path) -> None:
    join(join_path, tmp_path / "there", environment=False)
    before = sorted(path.name for path in (tmp_path / "there").iterdir())
    with pytest.raises(EnrolmentRefused, match="a center in"):
        join(join_path, tmp_path / "there", environment=False)
    with pytest.raises(EnrolmentRefused, match="a center in"):
        init_root(tmp_path / "there", COUNTY, environment=False)
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == before


def test_a_join_that_fails_leaves_the_directory_as_it_was(join_path: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(Trouble):
        join(join_path, tmp_path / "there", database_url="mysql://x/y", environment=False)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told(join_path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnrolmentRefused, match="can't be used"):
        join(join_path, tmp_path / "file" / "there", environment=False)
