"""Static files, named with the hash of their content so that browsers may keep them for a year."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from node.web.security import KEPT

STATIC_DIRECTORY: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"
HASH_LENGTH: Final = 10


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


class VersionedFiles(StaticFiles):
    """Keeps a file for a year if it was asked for by its present version, else has it checked each time."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_DIRECTORY)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve the file with its cache header."""
        response = await super().get_response(path, scope)
        asked = scope.get("query_string", b"").decode("latin-1").removeprefix("v=")
        kept = bool(asked) and asked == version(Path(path).as_posix())
        response.headers["cache-control"] = KEPT if kept else "no-cache"
        return response
