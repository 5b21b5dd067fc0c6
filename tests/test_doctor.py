"""``liandong doctor``: what it finds, how it grades it, and what it advises."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from node import migrations
from node.federation.tables import LinkRow
from tests.centers import COUNTY, TOWNSHIP, Family, Made, family, free_ports
from tests.commands import done, root_with_users, run


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANDONG_LANG", "en")
    monkeypatch.delenv("LIANDONG_DIR", raising=False)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    return root_with_users(people)


def grades(directory: Path, *, code: int = 0) -> dict[str, str]:
    result = run("doctor", "--json", "-d", directory)
    assert result.exit_code == code, result.output
    return {found["subject"]: found["grade"] for found in json.loads(result.stdout)}


def test_a_center_in_order_gets_no_bad_grades(root: Made) -> None:
    found = grades(root.directory)
    assert set(found) == {"Files", "Disk", "Database", "Schema", "Clock", "Process", "Broker", "Links"}
    assert {name for name, grade in found.items() if grade != "ok"} <= {"Process", "Disk"}
    assert found["Process"] == "warn", "it does not run"


def test_a_lost_database_fails(root: Made) -> None:
    (root.directory / "center.db").rename(root.directory / "away.db")
    assert grades(root.directory, code=1)["Database"] == "fail"


def test_a_newer_schema_fails(root: Made) -> None:
    with root.center.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert grades(root.directory, code=1)["Schema"] == "fail"


def test_an_older_schema_is_a_warning(root: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "head", lambda: "0009")
    assert grades(root.directory)["Schema"] == "warn"


def test_secrets_that_others_can_read_are_a_warning(root: Made) -> None:
    (root.directory / "keys.json").chmod(0o644)
    assert grades(root.directory)["Files"] == "warn"


def test_a_taken_port_fails(root: Made) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", root.settings.port))
        other.listen()
        assert grades(root.directory, code=1)["Process"] == "fail"


def test_a_stopped_link_fails_and_a_wrong_clock_too(people: Family, root: Made) -> None:
    child = people.child(root, TOWNSHIP, port=free_ports(1))
    with child.center.database.write() as session:
        link = session.get_one(LinkRow, COUNTY)
        link.state, link.stop_reason, link.clock_offset = "stopped", "self_restored", 4000.0
    found = grades(child.directory, code=1)
    assert (found["Links"], found["Clock"], found["Parent"]) == ("fail", "fail", "warn")


def test_a_damaged_database_fails(root: Made) -> None:
    root.center.database.dispose()
    with (root.directory / "center.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096 * 20)
    assert grades(root.directory, code=1)["Database"] == "fail"


def test_doctor_says_what_to_do(root: Made) -> None:
    (root.directory / "keys.json").chmod(0o644)
    out = done("doctor", "-d", root.directory)
    assert "chmod 600" in out
