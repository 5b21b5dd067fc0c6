"""Logs: one JSON object a line, with ids, and never with what an exception quotes."""

import json
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from node.logs import setup_logs

SAID = "张三 138 0000 0000"
"""What a party said; an exception quotes it."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Logs go to a file in this test, and as before afterwards."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    setup_logs("info", tmp_path / "logs" / "center.log")
    yield tmp_path / "logs" / "center.log"
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fail() -> None:
    try:
        raise KeyError(SAID)
    except KeyError as error:
        raise ValueError(f"row of {SAID}") from error


def test_a_line_is_an_object_with_ids_and_time(log: Path) -> None:
    structlog.get_logger("node.test").info("transfer.bounced", case_id="c-1", epoch=2, reason="对方已撤销")
    [line] = lines(log)
    assert line["event"] == "transfer.bounced"
    assert (line["case_id"], line["epoch"], line["reason"]) == ("c-1", 2, "对方已撤销")
    assert (line["level"], line["logger"]) == ("info", "node.test")
    assert str(line["timestamp"]).endswith("Z")


def test_an_exception_is_told_by_type_and_place_only(log: Path) -> None:
    try:
        fail()
    except ValueError:
        structlog.get_logger("node.test").exception("link.task_failed", peer="532923102000")
    [line] = lines(log)
    assert (line["exception"], line["cause"]) == ("ValueError", "KeyError")
    assert any("test_logs.py" in place and "fail" in place for place in line["places"])  # type: ignore[attr-defined]
    assert SAID not in log.read_text(encoding="utf-8")


def test_an_exception_handed_over_is_told_the_same_way(log: Path) -> None:
    try:
        fail()
    except ValueError as error:
        structlog.get_logger("node.test").error("task.failed", exc_info=error)
    assert lines(log)[0]["exception"] == "ValueError"
    assert SAID not in log.read_text(encoding="utf-8")


def test_other_libraries_come_out_in_the_same_form(log: Path) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("sqlalchemy.pool").exception("connection lost")
    [line] = lines(log)
    assert (line["event"], line["exception"]) == ("connection lost", "ValueError")
    assert SAID not in log.read_text(encoding="utf-8")


def test_what_is_below_the_level_is_not_logged(log: Path) -> None:
    structlog.get_logger("node.test").debug("detail")
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.access").info("GET /cases?q=%s", SAID)
    assert lines(log) == []


@contextmanager
def no_room_in(file: Path) -> Iterator[None]:
    """No file of this process may become larger than this one is, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_nobody_and_is_told_when_there_is_room_again(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = structlog.get_logger("node.test")
    logger.info("before", padding="x" * 100_000)  # larger than whatever else this process writes meanwhile
    with no_room_in(log):
        try:
            fail()
        except ValueError:
            logger.exception("lost", padding="x" * 20_000)
            logger.exception("lost", padding="x" * 20_000)
    logger.info("after")
    written = log.read_text(encoding="utf-8").splitlines()
    told = json.loads(written[-1])
    assert (told["event"], told["lines"]) == ("log.lines_missing", 2)
    assert json.loads(written[-2])["event"] == "after"
    assert SAID not in capsys.readouterr().err, "logging itself would print the exceptions"
