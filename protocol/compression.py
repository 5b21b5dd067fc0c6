"""Compression with hard limits: zstd, a pure codec."""

import zstandard

from protocol.errors import BadFrame

LEVEL = 3
"""zstd's default: old PCs must keep up, and JSON shrinks well at any level."""


def compress(data: bytes) -> bytes:
    """Compress ``data``; the result names its decompressed size."""
    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(data)


def decompress(data: bytes, limit: int) -> bytes:
    """Decompress at most ``limit`` bytes.

    Raises:
        BadFrame: no zstd frame, damaged, of unnamed size, or larger than ``limit``.
    """
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) or size > limit:
            raise BadFrame("decompressed size is unknown or too large")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=limit, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BadFrame("damaged compressed data") from error
