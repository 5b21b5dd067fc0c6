"""Small pictures of photos and scans: turned upright, and without place, time and camera, which photos carry along."""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

SIDE: Final = 320
"""Pixels of the longer side."""
PIXELS_MAX: Final = 60_000_000
"""Of a picture that a preview is made of. Telephones take 50 million; JPEG is read at an eighth of that, anything else
is refused above ``PIXELS_MAX_WHOLE``, since it is read whole."""
PIXELS_MAX_WHOLE: Final = 12_000_000
"""36 MB in memory: an A4 page at 300 dots an inch has 9 million."""
MEDIA_TYPE: Final = "image/jpeg"
FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
"""Only these are read, and each only by its own decoder."""


def has_preview(media_type: str) -> bool:
    """Whether there may be a preview of this kind of file."""
    return media_type in FORMATS


def make_preview(source: Path, media_type: str, target: Path) -> bool:
    """Make a preview; says whether there is one now. A picture that can't be read has none.

    Raises:
        OSError: it can't be written.
    """
    if media_type not in FORMATS:
        return False
    from PIL import Image, ImageOps  # noqa: PLC0415 - memory: a village that looks at no pictures stays small

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=[FORMATS[media_type]]) as picture:
                most = PIXELS_MAX if media_type == MEDIA_TYPE else PIXELS_MAX_WHOLE
                if picture.width * picture.height > most:
                    return False
                picture.draft("RGB", (SIDE * 2, SIDE * 2))
                upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        log.info("attachment.no_preview", error=type(error).__name__)
        return False
    upright.thumbnail((SIDE, SIDE))
    small = Image.new("RGB", upright.size)
    small.paste(upright)  # pixels only: whatever else the picture carries stays behind
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix="preview-")
    with os.fdopen(handle, "wb") as file:
        small.save(file, "JPEG", quality=80)
    Path(name).replace(target)
    return True
