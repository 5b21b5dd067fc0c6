"""Files come over HTTP: a form is read as it arrives, and its files go to the disk piece by piece, never to memory.

What is too long is read to its end all the same and thrown away: a browser whose upload is cut off shows an error of
its own instead of ours.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from node.attachments.content import HEAD_BYTES, TYPES
from node.attachments.store import MEGABYTE, FileStore, Incoming, not_saved
from node.i18n import N_
from node.problems import Problem
from protocol.entries import FILE_NAME_MAX

FILES_MAX: Final = 20
"""Files of one form."""
FIELDS_MAX: Final = 20
"""Other fields of one form."""
FIELD_MAX: Final = 4096
"""Bytes of one of these."""
HEADER_MAX: Final = 4096
"""Bytes of the headers of one part of a form."""
BUFFER: Final = 256 * 1024
"""Bytes that are parsed and written at a time, in a thread."""


class Upload:
    """A form as far as it was read: its fields, its files with their names, and what is wrong with it."""

    def __init__(self, store: FileStore, fields: dict[str, str], *, optional: bool) -> None:
        self.fields = fields
        self._optional = optional
        self.files: list[tuple[str, Incoming]] = []
        self.problem: Problem | None = None
        self.complete = False
        self._store = store
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._field: bytearray | None = None
        self._field_name = ""

    # --- what the parser of the form says ----------------------------------------------------------

    def on_part_begin(self) -> None:
        """A part begins."""
        self._headers.clear()
        self._field = None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's name."""
        self._header_name = _limited(self._header_name + data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's value."""
        self._header_value = _limited(self._header_value + data[start:end])

    def on_header_end(self) -> None:
        """A header is complete."""
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def on_headers_finished(self) -> None:
        """A part is a file if it has a file's name; browsers send an empty one where nothing was chosen."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field_name = options.get(b"name", b"").decode(errors="replace")
        name = options.get(b"filename")
        if name is None:
            self._field = bytearray()
            if len(self.fields) >= FIELDS_MAX:
                raise FormParserError("too many fields")
        elif len(self.files) >= FILES_MAX and name:
            self._refuse(Problem(422, "invalid", N_("At most {limit} files at once."), limit=FILES_MAX))
        elif name:
            self.files.append((name.decode(errors="replace"), self._store.begin()))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Some of a part."""
        if self._field is not None:
            self._field += data[start:end]
            if len(self._field) > FIELD_MAX:
                raise FormParserError("a field is too long")
        elif self.files and self.problem is None:
            self._write(*self.files[-1], data[start:end])

    def on_part_end(self) -> None:
        """A part is complete."""
        if self._field is not None:
            self.fields[self._field_name] = self._field.decode(errors="replace").strip()

    def on_end(self) -> None:
        """The form is complete."""
        self.complete = True

    def _write(self, name: str, incoming: Incoming, data: bytes) -> None:
        limit = self._store.limits.file
        if incoming.size + len(data) > limit:
            detail = N_("{name} was not saved: a file may have at most {limit} MB.")
            self._refuse(Problem(413, N_("file-too-large"), detail, name=clean_name(name, ""), limit=limit // MEGABYTE))
            return
        try:
            incoming.write(data, HEAD_BYTES)
        except OSError as error:
            self._refuse(not_saved(error))

    def _refuse(self, problem: Problem) -> None:
        """Keep nothing of what came and comes."""
        self.problem = self.problem or problem
        self.discard()

    def close(self) -> None:
        """All has come: what was let in is brought to the disk.

        Raises:
            Problem: what is wrong with it; nothing is kept then.
        """
        if self.problem is None and not self.complete:
            self._refuse(Problem(400, "bad-request", N_("The upload broke off; nothing was saved.")))
        if self.problem is None and not self.files and not self._optional:
            self.problem = Problem(422, "invalid", N_("Choose a file."), field="file")
        for name, incoming in self.files:
            if self.problem is None and incoming.size == 0:
                shown = clean_name(name, "")
                self._refuse(Problem(422, "invalid", N_("{name} is empty; nothing was saved."), name=shown))
        if self.problem is not None:
            raise self.problem
        try:
            for _, incoming in self.files:
                incoming.close()
        except OSError as error:
            self.discard()
            raise not_saved(error) from error

    def discard(self) -> None:
        """Throw away whatever has no place."""
        for _, incoming in self.files:
            incoming.discard()


@asynccontextmanager
async def receive(
    request: Request, store: FileStore, *, typed: dict[str, str] | None = None, optional: bool = False
) -> AsyncIterator[Upload]:
    """Read a form with files; what has no place at the end of the block is thrown away.

    Args:
        request: what was sent.
        store: where files go.
        typed: gets the fields, also those of a form that is refused.
        optional: whether the form is good without any file.

    Raises:
        Problem: 400, 413, 415, 422 or 507: nothing was saved, and why.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Problem(415, "unsupported-media-type", N_("A file comes as multipart/form-data."))
    upload = Upload(store, {} if typed is None else typed, optional=optional)
    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_part_begin": upload.on_part_begin,
            "on_part_data": upload.on_part_data,
            "on_part_end": upload.on_part_end,
            "on_header_field": upload.on_header_field,
            "on_header_value": upload.on_header_value,
            "on_header_end": upload.on_header_end,
            "on_headers_finished": upload.on_headers_finished,
            "on_end": upload.on_end,
        },
    )
    try:
        async for data in _buffered(request):
            await run_in_threadpool(parser.write, data)
        await run_in_threadpool(upload.close)
        yield upload
    except FormParserError as error:
        raise Problem(400, "bad-request", N_("The request cannot be understood.")) from error
    except ClientDisconnect as error:
        raise Problem(400, "bad-request", N_("The upload broke off; nothing was saved.")) from error
    finally:
        await run_in_threadpool(upload.discard)


async def _buffered(request: Request) -> AsyncIterator[bytes]:
    """The body in larger pieces than the wire brings."""
    buffer = bytearray()
    async for data in request.stream():
        buffer += data
        if len(buffer) >= BUFFER:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _limited(header: bytes) -> bytes:
    if len(header) > HEADER_MAX:
        raise FormParserError("a header is too long")
    return header


def clean_name(name: str, ending: str) -> str:
    """A file's name as the log takes it: without folders, with an ending that fits what it is.

    Args:
        name: as it was sent.
        ending: the usual one of its media type; empty leaves the name's own.
    """
    base = PurePosixPath(PureWindowsPath(name).name).name
    base = "".join(letter for letter in base if letter.isprintable()).strip(" .") or "file"
    own = PurePosixPath(base).suffix
    fits = TYPES.get(own.lower(), ("", ""))[1] == ending
    ending, base = (own, base.removesuffix(own)) if fits or not ending else (ending, base)
    return base[: FILE_NAME_MAX - len(ending)] + ending
