"""What a file is, by its content: names lie, and so do browsers."""

from typing import Final

from node.i18n import N_
from node.problems import Problem

HEAD_BYTES: Final = 8192
"""What is looked at of a file."""

_JPEG, _TIFF, _HEIC = ("image/jpeg", ".jpg"), ("image/tiff", ".tif"), ("image/heic", ".heic")
_MP3, _M4A, _OGG = ("audio/mpeg", ".mp3"), ("audio/mp4", ".m4a"), ("audio/ogg", ".ogg")
_3GP = ("video/3gpp", ".3gp")

TYPES: Final = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".jfif": _JPEG,
    ".png": ("image/png", ".png"),
    ".webp": ("image/webp", ".webp"),
    ".gif": ("image/gif", ".gif"),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".heic": _HEIC,
    ".heif": _HEIC,
    ".pdf": ("application/pdf", ".pdf"),
    ".mp3": _MP3,
    ".mpga": _MP3,
    ".m4a": _M4A,
    ".wav": ("audio/wav", ".wav"),
    ".amr": ("audio/amr", ".amr"),
    ".aac": ("audio/aac", ".aac"),
    ".ogg": _OGG,
    ".oga": _OGG,
    ".mp4": ("video/mp4", ".mp4"),
    ".mov": ("video/quicktime", ".mov"),
    ".3gp": _3GP,
    ".3ga": _3GP,
}
"""What is let in: by the ending that the library gives it, the media type and the usual ending."""

ACCEPTED: Final = "image/*,application/pdf,audio/*,video/*"
"""What a browser offers to choose."""


def judge(head: bytes, name: str) -> tuple[str, str]:
    """The media type of a file and its usual ending, by its first bytes.

    Raises:
        Problem: 422 ``unknown-content``, with the file's name.
    """
    import puremagic  # noqa: PLC0415 - memory

    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):  # it is like nothing, or empty
        found = []
    for match in found:
        if match.extension in TYPES:
            return TYPES[match.extension]
    raise Problem(
        422,
        N_("unknown-content"),
        N_(
            "{name} was not saved: it is no photo, scan, recording, film or PDF. What counts is its content. "
            "Save Word and Excel files as PDF first."
        ),
        name=name,
    )
