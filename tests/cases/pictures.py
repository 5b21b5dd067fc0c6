"""Files that are what they say: a photo as a telephone takes it, a scan, a recording, and what is none of these."""

import io
from functools import cache
from random import Random

from PIL import Image

GPS_IFD, GPS_LATITUDE, MAKE, ORIENTATION = 0x8825, 2, 0x010F, 0x0112
CAMERA = "Liandong Phone"


@cache
def photo(size: tuple[int, int] = (640, 480), seed: int = 1) -> bytes:
    """A photo lying on its side, in which the camera wrote where it was taken."""
    random = Random(seed)
    picture = Image.new("RGB", size, (random.randrange(256), 120, 90))
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = CAMERA, 6
    exif.get_ifd(GPS_IFD)[GPS_LATITUDE] = (25.0, 28.0, 12.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def scan(length: int = 2000, seed: int = 2) -> bytes:
    """A PDF of this many bytes; what follows its head can't be compressed."""
    return b"%PDF-1.7\n" + Random(seed).randbytes(length - 9)


def film(length: int, seed: int = 3) -> bytes:
    """A film of this many bytes, as telephones take them."""
    head = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"
    return head + Random(seed).randbytes(length - len(head))
