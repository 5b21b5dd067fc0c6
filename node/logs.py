"""Logs: one JSON object a line, with the ids of cases and messages, never with what people said.

An exception is told by its type and the places it passed, not by its text: a database error quotes the values of the
statement, a validation error quotes its input, and either may be what a party said. What other libraries log through
``logging`` (uvicorn, nats-py) comes out in the same form.
"""

import logging
import logging.config
import logging.handlers
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 3
"""Rotated logs beside the present one: a month of a village, an hour of a county in trouble."""

MAX_FRAMES = 12
"""Innermost places of an exception that are logged."""

QUIET = {"uvicorn": "warning", "nats": "error", "asyncio": "warning", "alembic": "warning"}
"""Loggers of other libraries that say more than is useful. Access lines hold what people searched for."""


class _Counting(logging.Handler):
    """Where it can't write (the disk is full, nobody reads the pipe), it counts, and says how many lines are missing.

    ``logging`` itself would print what it could not write to standard error, with the texts of all exceptions.
    """

    missing = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        before = self.missing
        super().emit(record)
        if before and self.missing == before:
            self.missing = 0
            structlog.get_logger("node.logs").warning("log.lines_missing", lines=before)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A line could not be written."""
        del record
        self.missing += 1


class _Output(_Counting, logging.StreamHandler[TextIO]):
    """Standard output or standard error."""


class _File(_Counting, logging.handlers.RotatingFileHandler):
    """A file."""


def setup_logs(level: str, file: Path | None = None) -> None:
    """Log JSON lines of this level and above, to a file or to standard output."""
    handler: dict[str, object] = {"()": _Output, "stream": sys.stdout}
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = {
            "()": _File,
            "filename": str(file),
            "maxBytes": FILE_BYTES,
            "backupCount": FILES_KEPT,
            "encoding": "utf-8",
        }
    _setup(level, handler, structlog.processors.JSONRenderer(ensure_ascii=False))


def setup_command_logs() -> None:
    """Of a command that a person runs, only warnings are of interest, in plain text on standard error."""
    _setup(
        "warning",
        {"()": _Output, "stream": sys.stderr},
        structlog.processors.KeyValueRenderer(key_order=["event"]),
    )


def _setup(level: str, handler: dict[str, object], renderer: structlog.typing.Processor) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        places_of_exceptions,
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        "foreign_pre_chain": shared,
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structlog": formatter},
            "handlers": {"out": {**handler, "formatter": "structlog"}},
            "root": {"handlers": ["out"], "level": level.upper()},
            "loggers": {name: {"level": own.upper()} for name, own in QUIET.items()},
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def places_of_exceptions(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Put type and places of an exception into a log line, and leave out its text."""
    del logger, name
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
        event["places"] = _places(error.__traceback__)
        cause = error.__cause__ or error.__context__
        if cause is not None:
            event["cause"] = type(cause).__qualname__
    return event


def _places(trace: TracebackType | None) -> list[str]:
    frames: list[Any] = traceback.extract_tb(trace)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-MAX_FRAMES:]]
