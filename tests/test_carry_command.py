"""``liandong carry``: what a clerk sees, with real processes on a village and its township."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from node.cases import service
from node.cases.tables import CaseRow
from node.federation.carry_out import carry_out
from node.settings import settings_of, write_settings
from node.trouble import Trouble
from node.unit import unit_of
from protocol.codes import Category, Trigger
from protocol.entries import Party
from tests.centers import COUNTY, TOWNSHIP, Family, Made, family, free_ports
from tests.commands import done, root_with_users, run
from tests.served import liandong, serving


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def upper(people: Family) -> Made:
    return root_with_users(people)


@pytest.fixture
def lower(people: Family, upper: Made) -> Made:
    return people.child(upper, TOWNSHIP, port=free_ports(1))


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    stick = tmp_path / "stick"
    stick.mkdir()
    return stick


def escalate(made: Made) -> str:
    """Somebody registers a matter and sends it up."""
    registration = service.Registration(
        title="排水沟堵塞", category=Category.NEIGHBOURHOOD, place="三组", parties=(Party(name="张三"),)
    )
    with unit_of(made.center) as unit:
        state = service.register(unit, registration, "李秀英")
        service.escalate(unit, state, "太大", frozenset({Trigger.DANGER_TO_LIFE}), "李秀英")
    return state.id


def unplug(made: Made) -> None:
    """Let its parent's broker be where nobody listens: there is no network."""
    given = made.settings.model_dump(include=made.settings.model_fields_set - {"data_dir"})
    given |= {"parent_url": "nats://127.0.0.1:9"}
    write_settings(settings_of(made.directory, given, place=str(made.settings.file)))


@pytest.mark.slow
def test_a_stick_goes_to_the_superior_and_back_while_both_run(upper: Made, lower: Made, stick: Path) -> None:
    unplug(lower)
    with serving(upper.directory, upper.settings.port) as above, serving(lower.directory, lower.settings.port) as below:
        above.ready()
        below.ready()
        case = escalate(lower)
        out = liandong("--lang", "zh-CN", "carry", "out", str(stick), "-d", str(lower.directory))
        assert out.returncode == 0, out.stderr
        [file] = stick.iterdir()
        assert re.fullmatch(rf"联动-{TOWNSHIP}-to-{COUNTY}-\d{{8}}-\d{{4}}\.ldc", file.name)
        assert file.stat().st_mode & 0o077 == 0
        assert "涉及1 件纠纷" in out.stdout
        assert f"liandong carry in {file.name}" in out.stdout

        came = done("--lang", "zh-CN", "carry", "in", stick, "-d", upper.directory)
        assert "收到" in came
        assert f"liandong carry out --for {TOWNSHIP}" in came
        again = done("--lang", "en", "carry", "in", file, "-d", upper.directory)
        assert "Nothing new" in again

        done("--lang", "en", "carry", "out", stick, "--for", TOWNSHIP, "-d", upper.directory)
        home = done("--lang", "en", "carry", "in", stick, "-d", lower.directory)
        assert "of ours have arrived there" in home
        with lower.center.database.read() as session:
            assert session.scalar(select(CaseRow.holder).where(CaseRow.id == case)) == COUNTY


def test_the_root_must_say_for_whom(upper: Made, stick: Path) -> None:
    result = run("--lang", "en", "carry", "out", stick, "-d", upper.directory)
    assert result.exit_code == 1
    assert "--for CODE" in result.output
    assert not list(stick.iterdir())


def test_a_stick_without_a_file_for_us_is_said_so(lower: Made, stick: Path) -> None:
    result = run("--lang", "en", "carry", "in", stick, "-d", lower.directory)
    assert result.exit_code == 1
    assert f"no file for {TOWNSHIP}" in result.output


def test_nothing_to_say_is_a_file_too(upper: Made, lower: Made, stick: Path) -> None:
    done("--lang", "en", "carry", "out", stick / "first.ldc", "-d", lower.directory)
    done("--lang", "en", "carry", "in", stick / "first.ldc", "-d", upper.directory)
    done("--lang", "en", "carry", "out", stick / "back.ldc", "--for", TOWNSHIP, "-d", upper.directory)
    done("--lang", "en", "carry", "in", stick / "back.ldc", "-d", lower.directory)
    assert "nothing waits" in done("--lang", "en", "carry", "out", stick / "second.ldc", "-d", lower.directory)


def test_a_stick_that_is_full_or_pulled_out_leaves_no_half_file(lower: Made, stick: Path) -> None:
    escalate(lower)

    def full(_done: int, _total: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Trouble, match="No space left"):
        carry_out(lower.center, COUNTY, stick, full)
    assert list(stick.iterdir()) == []
    assert "about 1 case" in done("--lang", "en", "carry", "out", stick, "-d", lower.directory)
