"""Static files, named with the hash of their content so that browsers may keep them for a year, and compressed once."""

import gzip
import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from node.web.security import KEPT

STATIC_DIRECTORY: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"
HASH_LENGTH: Final = 10

TEXT: Final = frozenset({".css", ".js", ".svg"})
"""Kinds of files that shrink; the style sheet to an eighth."""


@cache
def version(path: str) -> str:
    """Short hash of a static file's content; empty where the file is missing (``make setup`` has not run)."""
    try:
        content = (STATIC_DIRECTORY / path).read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]


def static_url(path: str) -> str:
    """Address of a static file with its version."""
    known = version(path)
    return f"{STATIC_PATH}/{path}?v={known}" if known else f"{STATIC_PATH}/{path}"


@cache
def compressed(path: str, known: str) -> bytes:
    """A static file as it travels; ``known`` is its version, so that a file that changed is compressed anew."""
    del known
    return gzip.compress((STATIC_DIRECTORY / path).read_bytes(), mtime=0)


class VersionedFiles(StaticFiles):
    """Keeps a file for a year if it was asked for by its present version, else has it checked each time."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_DIRECTORY)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve the file with its cache header, compressed for whoever understands that."""
        response = await super().get_response(path, scope)
        asked = scope.get("query_string", b"").decode("latin-1").removeprefix("v=")
        name = Path(path).as_posix()
        known = version(name)
        if Path(path).suffix in TEXT:
            whole = response.status_code == HTTPStatus.OK and bool(known)
            if whole and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
                response = Response(compressed(name, known), headers=_kept_headers(response.headers))
                response.headers["content-encoding"] = "gzip"
                response.headers["vary"] = "Accept-Encoding"  # plain, the middleware says so
        response.headers["cache-control"] = KEPT if bool(asked) and asked == known else "no-cache"
        return response


def _kept_headers(headers: Headers) -> dict[str, str]:
    """What a compressed file has in common with the plain one."""
    return {name: headers[name] for name in ("content-type", "etag", "last-modified") if name in headers}
