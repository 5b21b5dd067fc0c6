"""Opening a center: directory, keys and database must belong together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.founding import init_root
from node.identity import new_keys, save_keys
from node.opening import open_center
from node.trouble import DatabaseTrouble, Trouble
from tests.centers import COUNTY, TOWNSHIP, Family, Made, family


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    return people.root()


def test_an_empty_database_is_not_taken_for_the_centers_own(root: Made) -> None:
    (root.directory / "center.db").rename(root.directory / "lost.db")
    for suffix in ("-wal", "-shm"):
        (root.directory / f"center.db{suffix}").unlink(missing_ok=True)
    with pytest.raises(DatabaseTrouble, match="empty"):
        open_center(root.settings)


def test_the_database_of_another_center_is_refused(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    wrong = township.settings.model_copy(update={"database_url": root.settings.database_url})
    with pytest.raises(DatabaseTrouble, match=COUNTY):
        open_center(wrong)


def test_keys_and_certificate_must_belong_together(root: Made) -> None:
    save_keys(root.directory, new_keys())
    with pytest.raises(Trouble, match="keys"):
        open_center(root.settings)


@pytest.mark.parametrize(("name", "content"), [("keys.json", "{}"), ("keys.json", "no json"), ("keys.json", None)])
def test_damaged_keys_are_named(root: Made, name: str, content: str | None) -> None:
    if content is None:
        (root.directory / name).unlink()
    else:
        (root.directory / name).write_text(content)
    with pytest.raises(Trouble, match=name):
        open_center(root.settings)


def test_a_database_that_holds_a_center_is_not_filled_again(root: Made, tmp_path: Path) -> None:
    with pytest.raises(DatabaseTrouble, match="already"):
        init_root(tmp_path / "second", TOWNSHIP, database_url=root.settings.database_url, environment=False)


def test_the_level_of_the_settings_must_exist(root: Made) -> None:
    wrong = root.settings.model_copy(update={"level": "empire"})
    with pytest.raises(Trouble, match="empire"):
        open_center(wrong)
