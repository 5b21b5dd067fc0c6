"""Attachments: photos, scans, recordings. The entry says what was added; the bytes travel apart from the log."""

from typing import Annotated

from pydantic import Field, StringConstraints

from protocol.codes import CenterCode, Part
from protocol.entries.parts import SHORT_TEXT_MAX, Body
from protocol.records import NO_NUL, Frozen

FILE_MAX_BYTES = 200 * 1024 * 1024
"""The largest file that any center may let in; its settings allow less. A minute of a telephone's film is 130 MB."""
FILE_NAME_MAX = 120
"""Characters of a file's name, its ending included."""
ATTACHMENTS_MAX = 200
"""Files of one case: a thick dossier, photographed sheet by sheet."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,80}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\]+$", min_length=1, max_length=FILE_NAME_MAX)]
FileSize = Annotated[int, Field(ge=1, le=FILE_MAX_BYTES)]
FileNote = Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=SHORT_TEXT_MAX)]


class File(Frozen):
    """A file.

    Attributes:
        name: as people call it, without folders.
        type: what its content is, judged by who let it in.
        size: bytes.
        sha256: of its bytes; two files with the same are the same.
        part: the part of the dossier that it belongs to.
        note: what it shows.
    """

    name: FileName
    type: MediaType
    size: FileSize
    sha256: Sha256
    part: Part | None = None
    note: FileNote | None = None


class Attached(File, Body):
    """A file was added to the case; ``center`` is the one whose people had it, and has its bytes."""

    center: CenterCode
