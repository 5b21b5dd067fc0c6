"""Ledgers as CSV: what spreadsheets write is read, what is written is safe to open."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.centers import Family, Made, family
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


HEADERS = ["title", "category", "place", "parties", "source", "grade", "occurred_at", "description"]
GOOD = [
    [
        "排水沟纠纷",
        "neighbourhood",
        "三组",
        "王建国/applicant/13800000000; 李秀英",
        "visit",
        "low",
        "2026-03-01",
        "详情",
    ],
    ["=1+1 地界", "山林土地", "后山", "张三", "", "", "", ""],
]


def ledger(path: Path, rows: list[list[str]], headers: list[str] | None = None, encoding: str = "utf-8-sig") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([headers or HEADERS, *rows])


def titles(root: Made) -> list[str | None]:
    with root.center.database.read() as session:
        return list(session.execute(text("SELECT title FROM cases ORDER BY number")).scalars())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_matters_are_imported_from_what_spreadsheets_write(root: Made, tmp_path: Path, encoding: str) -> None:
    chinese = ["标题", "纠纷类型", "地点", "当事人", "来源", "风险等级", "发生时间", "简要情况"]
    ledger(tmp_path / "in.csv", GOOD, chinese, encoding)
    assert "2 matters" in done("import", tmp_path / "in.csv", "--as", "clerk", "-d", root.directory)
    assert titles(root) == ["排水沟纠纷", "=1+1 地界"]


def test_a_dry_run_registers_nothing(root: Made, tmp_path: Path) -> None:
    ledger(tmp_path / "in.csv", GOOD)
    assert "2 matters could" in done("import", tmp_path / "in.csv", "--as", "clerk", "--dry-run", "-d", root.directory)
    assert titles(root) == []


def test_one_wrong_row_and_nothing_is_registered(root: Made, tmp_path: Path) -> None:
    wrong = ["没有类型", "witchcraft", "三组", "", "", "", "yesterday", ""]
    ledger(tmp_path / "in.csv", [GOOD[0], wrong, [""] * 8, GOOD[1]])
    result = run("import", tmp_path / "in.csv", "--as", "clerk", "-d", root.directory)
    assert result.exit_code == 1
    for field in ("category", "parties", "occurred_at"):
        assert f"Row 3, {field}: " in result.stderr
    assert "Row 2" not in result.stderr
    assert "Row 5" not in result.stderr
    assert titles(root) == []


def test_an_import_can_go_on_from_a_row(root: Made, tmp_path: Path) -> None:
    ledger(tmp_path / "in.csv", GOOD)
    done("import", tmp_path / "in.csv", "--as", "clerk", "--from-row", 3, "-d", root.directory)
    assert titles(root) == ["=1+1 地界"]


@pytest.mark.parametrize("username", ["monitor", "admin", "nobody"])
def test_only_who_may_register_imports(root: Made, tmp_path: Path, username: str) -> None:
    ledger(tmp_path / "in.csv", GOOD)
    assert run("import", tmp_path / "in.csv", "--as", username, "-d", root.directory).exit_code == 1
    assert titles(root) == []


@pytest.mark.parametrize("content", [b"title,place\nx,y\n", b"\xff\xff\xff", b"", None])
def test_a_file_that_is_no_ledger_is_told(root: Made, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "in.csv").write_bytes(content)
    result = run("import", tmp_path / "in.csv", "--as", "clerk", "-d", root.directory)
    assert result.exit_code == 1
    assert "in.csv" in result.stderr


def test_an_export_is_for_spreadsheets_and_names_no_party(root: Made, tmp_path: Path) -> None:
    ledger(tmp_path / "in.csv", GOOD)
    done("import", tmp_path / "in.csv", "--as", "clerk", "-d", root.directory)
    done("export", tmp_path / "out.csv", "--as", "director", "-d", root.directory)
    raw = (tmp_path / "out.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [row["Matter"] for row in rows] == ["排水沟纠纷", "'=1+1 地界"], "no cell is a formula"
    assert rows[0]["Responsible center"] == "祥云县"
    assert "王建国" not in raw.decode("utf-8-sig")
    assert run("export", tmp_path / "out.csv", "--as", "director", "-d", root.directory).exit_code == 1


def test_who_may_not_read_cases_exports_none(root: Made, tmp_path: Path) -> None:
    assert run("export", tmp_path / "out.csv", "--as", "admin", "-d", root.directory).exit_code == 1
    assert not (tmp_path / "out.csv").exists()
