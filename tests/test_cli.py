"""The command line: what it says, in which language, and with which exit code."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer
from sqlalchemy import text

from node import db
from node.accounts import service as accounts
from node.accounts.throttle import Throttle
from node.cli import app
from node.commands.terminal import language_of, width_of
from node.federation.tables import LinkRow
from tests.centers import COUNTY, TOWNSHIP, VILLAGE, Family, Made, family, free_ports
from tests.commands import done, root_with_users, run

COMMANDS = [
    "init", "enroll", "revoke", "join", "serve", "user", "backup", "restore", "doctor", "status", "links", "import",
    "export", "openapi", "asyncapi", "bench", "demo",
]  # fmt: skip


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


# --- help, language -------------------------------------------------------------------------------------------------


def test_every_command_explains_itself() -> None:
    listed = run("--help").stdout
    for command in COMMANDS:
        assert command in listed
        assert run(command, "--help").exit_code == 0
    assert "130" in listed, "exit codes are told"


def test_every_option_is_explained() -> None:
    pending = [typer.main.get_command(app)]
    while pending:
        command = pending.pop()
        pending += getattr(command, "commands", {}).values()
        for parameter in command.params:
            if parameter.name != "help" and command.name not in {"link", "latency", "backlog"}:
                assert getattr(parameter, "help", None), f"{command.name} {parameter.name}"


def test_no_command_is_a_question_not_an_error() -> None:
    assert "Usage" in run().output


def test_messages_come_in_the_language_that_was_asked_for(tmp_path: Path) -> None:
    assert "没有" in run("--lang", "zh-CN", "doctor", "-d", tmp_path).output
    assert "does not exist" in run("--lang", "en", "doctor", "-d", tmp_path).output


@pytest.mark.parametrize(
    ("environment", "arguments", "language"),
    [
        ({}, [], "zh-CN"),
        ({"LANG": "C.UTF-8"}, [], "zh-CN"),
        ({"LANG": "en_US.UTF-8"}, [], "en"),
        ({"LANG": "zh_CN.UTF-8"}, [], "zh-CN"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, [], "zh-CN"),
        ({"LANG": "zh_CN.UTF-8", "LIANDONG_LANG": "en"}, [], "en"),
        ({"LIANDONG_LANG": "zh-CN"}, ["--lang", "en", "status"], "en"),
        ({"LIANDONG_LANG": "zh-CN"}, ["--lang=en"], "en"),
        ({"LANG": "en"}, ["--lang"], "en"),
        ({"LANG": "de_DE.UTF-8"}, [], "zh-CN"),
    ],
)
def test_the_language_follows_the_option_then_the_environment(
    environment: dict[str, str], arguments: list[str], language: str
) -> None:
    assert language_of(environment, arguments) == language


def test_tables_count_chinese_characters_twice() -> None:
    assert width_of("祥云县 ok") == 9


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_a_wrong_command_line_is_two() -> None:
    assert run("enroll").exit_code == 2
    assert run("conquer").exit_code == 2


def test_broken_settings_are_three(root: Made) -> None:
    (root.directory / "center.toml").write_text("colour = 'red'")
    result = run("status", "-d", root.directory)
    assert result.exit_code == 3
    assert "colour" in result.stderr


def test_a_newer_schema_is_four(root: Made) -> None:
    with root.center.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    result = run("status", "-d", root.directory)
    assert result.exit_code == 4
    assert "newer" in result.stderr


def test_a_locked_database_is_four(root: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "SQLITE_BUSY_MS", 200)
    with closing(sqlite3.connect(root.directory / "center.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        result = run("user", "disable", "clerk", "-d", root.directory)
    assert result.exit_code == 4
    assert "locked" in result.stderr


def test_a_read_only_database_is_four(root: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions don't bind the superuser who may run the tests, so SQLite itself is told."""
    url = f"sqlite:///file:{root.directory / 'center.db'}?mode=ro&uri=true"
    monkeypatch.setattr("node.opening.Database", lambda _, **__: db.Database(url))
    result = run("user", "disable", "clerk", "-d", root.directory)
    assert result.exit_code == 4
    assert "read-only" in result.stderr


def test_a_file_that_is_no_database_is_four(root: Made) -> None:
    root.center.database.dispose()
    (root.directory / "center.db").write_bytes(b"this is a letter, not a database. " * 200)
    result = run("status", "-d", root.directory)
    assert result.exit_code == 4
    assert "Traceback" not in result.output


def test_no_broker_is_six(people: Family, root: Made, tmp_path: Path) -> None:
    toml = root.directory / "center.toml"
    toml.write_text(toml.read_text(encoding="utf-8").split("[broker]")[0] + "[broker]\nmode = 'none'\n")
    result = run("enroll", TOWNSHIP, "-d", root.directory, "--out", tmp_path / "join.json")
    assert result.exit_code == 6
    assert not (tmp_path / "join.json").exists()


def test_a_refused_enrolment_is_seven(root: Made, tmp_path: Path) -> None:
    result = run("enroll", "5329", "-d", root.directory, "--out", tmp_path / "join.json")
    assert result.exit_code == 7
    assert "12 digits" in result.stderr


# --- a center's life ------------------------------------------------------------------------------------------------


def test_init_enroll_join_revoke(tmp_path: Path) -> None:
    root, child, file = tmp_path / "root", tmp_path / "child", tmp_path / "join.json"
    assert "liandong serve" in done("init", COUNTY, "-d", root, "--broker-port", free_ports(1))
    assert "join.json" in done("enroll", TOWNSHIP, "-d", root, "--out", file)
    assert "Delete" in done("join", file, "-d", child, "--port", 8200)
    assert "0 transfers came back" in done("revoke", TOWNSHIP, "-d", root, "--yes")
    assert run("revoke", TOWNSHIP, "-d", root, "--yes").exit_code == 7


def test_revoke_asks_first(root: Made, people: Family) -> None:
    people.child(root, TOWNSHIP)
    assert run("revoke", TOWNSHIP, "-d", root.directory, given="n\n").exit_code == 1
    with root.center.database.read() as session:
        assert session.get_one(LinkRow, TOWNSHIP).revoked_at is None
    assert run("revoke", TOWNSHIP, "-d", root.directory, given="y\n").exit_code == 0


def test_a_join_file_is_never_written_over(root: Made, tmp_path: Path) -> None:
    (tmp_path / "join.json").write_text("mine")
    result = run("enroll", TOWNSHIP, "-d", root.directory, "--out", tmp_path / "join.json")
    assert result.exit_code == 7
    assert (tmp_path / "join.json").read_text() == "mine"
    with root.center.database.read() as session:
        assert session.get(LinkRow, TOWNSHIP) is None, "and nobody was enrolled"


def test_enroll_again_cuts_the_old_one_off(root: Made, people: Family, tmp_path: Path) -> None:
    people.child(root, TOWNSHIP)
    assert run("enroll", TOWNSHIP, "-d", root.directory, "--out", tmp_path / "a.json").exit_code == 7
    done("enroll", TOWNSHIP, "-d", root.directory, "--out", tmp_path / "a.json", "--again")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["chain"][0]["claims"].count('"version":2') == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--broker-url", "tls://nats.example:4222", "--broker-port", "4300"], 3),
        (["--broker-url", "nats://nats.example:4222"], 3),
        (["--broker-host", "two words"], 3),
        (["--port", "70000"], 2),
        (["--level", "empire"], 7),
        (["--database-url", "mysql://x/y"], 3),
    ],
)
def test_wrong_options_make_no_center(tmp_path: Path, options: list[str], code: int) -> None:
    result = run("init", COUNTY, "-d", tmp_path / "root", *options)
    assert result.exit_code == code, result.output
    assert not (tmp_path / "root").exists()


def test_an_external_broker_gets_its_users_printed(tmp_path: Path) -> None:
    out = done("init", COUNTY, "-d", tmp_path / "root", "--broker-url", "tls://nats.example:4222")
    assert f"LIANDONG_{COUNTY}" in out
    out = done("enroll", TOWNSHIP, "-d", tmp_path / "root", "--out", tmp_path / "join.json")
    assert f"up.{TOWNSHIP}" in out


# --- users ----------------------------------------------------------------------------------------------------------


def test_users_are_added_listed_disabled(root: Made) -> None:
    at = ("-d", root.directory)
    done("user", "add", "yang", "--role", "clerk", "--role", "mediator", "--name", "杨秀英", "--password-stdin", *at,
         given="correct horse\n")  # fmt: skip
    listed = json.loads(done("user", "list", "--json", *at))
    assert next(user for user in listed if user["username"] == "yang") == {
        "username": "yang",
        "display_name": "杨秀英",
        "roles": ["clerk", "mediator"],
        "disabled_at": None,
    }
    done("user", "disable", "yang", *at)
    assert "yang" in done("user", "list", *at)
    database, clock, hasher = root.center.database, root.center.clock, root.center.hasher
    with pytest.raises(Exception, match="wrong"):
        accounts.login(database, clock, hasher, Throttle(), username="yang", password="correct horse")


def test_a_made_up_password_is_shown_once_and_works(root: Made) -> None:
    password = done("user", "password", "clerk", "--generate", "-d", root.directory).splitlines()[-1]
    issued = accounts.login(
        root.center.database,
        root.center.clock,
        root.center.hasher,
        root.center.throttle,
        username="clerk",
        password=password,
    )
    assert issued.token


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "clerk", "--role", "clerk", "--generate"],
        ["add", "a b", "--role", "clerk", "--generate"],
        ["disable", "nobody"],
        ["disable", "admin"],
        ["password", "nobody", "--generate"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_with_users_is_one(root: Made, arguments: list[str]) -> None:
    result = run("user", *arguments, "-d", root.directory)
    assert result.exit_code == 1
    assert result.stderr.strip()
    assert "Traceback" not in result.output


def test_a_short_password_is_refused(root: Made) -> None:
    result = run("user", "add", "li", "-r", "clerk", "--password-stdin", "-d", root.directory, given="short\n")
    assert result.exit_code == 1
    assert "8" in result.stderr


# --- looking --------------------------------------------------------------------------------------------------------


def test_status_counts_what_was_registered(root: Made, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("title,category,place,parties\n排水沟纠纷,neighbourhood,三组,王\n")
    done("import", tmp_path / "in.csv", "--as", "clerk", "-d", root.directory)
    told = json.loads(done("status", "--json", "-d", root.directory))
    assert told["own"]["registered"] == 1
    table = done("status", "-d", root.directory)
    assert "祥云县" in table
    assert run("status", "--center", VILLAGE, "-d", root.directory).exit_code == 1


def test_links_are_listed_with_names(root: Made, people: Family) -> None:
    people.child(root, TOWNSHIP)
    [link] = json.loads(done("links", "--json", "-d", root.directory))
    assert (link["peer"], link["name"], link["direction"], link["backlog"]) == (TOWNSHIP, "沙龙镇", "down", 1)
    assert "沙龙镇" in done("links", "-d", root.directory)


def test_the_api_is_described(tmp_path: Path) -> None:
    document = json.loads(done("openapi"))
    assert document["openapi"].startswith("3.")
    assert "/api/v1/cases/{case_id}/escalate" in document["paths"]
    assert json.loads(done("openapi", "--level", "village"))["paths"].keys() >= document["paths"].keys()
