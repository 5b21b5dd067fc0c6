"""A center's whole application, called by everybody who works there; what they do is tried and then undone."""

import asyncio
import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.types import Message, Scope

from node.accounts import service
from node.accounts.roles import Role
from node.accounts.tables import TokenKind
from node.app import assemble
from node.center import Center
from node.db import Database
from node.web.session import cookie_name
from tests.cases.pictures import photo
from tests.federation_kit import PASSWORD

HOST = "center.test"

OURS: Mapping[str, str] = {"sec-fetch-site": "same-origin"}


_HEAD = b'--form\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
A_FILE: dict[str, Any] = {
    "content": _HEAD + photo() + b"\r\n--form--\r\n",
    "headers": {"content-type": "multipart/form-data; boundary=form"},
}
"""What is sent where files come."""


class _UndoneError(Exception):
    """The end of every rehearsal."""


class Rehearsal(Database):
    """A center's own database; every unit of work runs to its end, and is then rolled back."""

    def __init__(self, real: Database) -> None:
        self.__dict__.update(real.__dict__)
        self._real = real

    @contextmanager
    def write(self, *, behind_people: bool = False) -> Iterator[Session]:
        """As the database's own, without its commit."""
        try:
            with self._real.write(behind_people=behind_people) as session:
                yield session
                session.flush()
                raise _UndoneError
        except _UndoneError:
            pass


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: bytes

    @property
    def type(self) -> str:
        """The problem's type; empty where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return ""
        return str(found.get("type", "")) if isinstance(found, dict) else ""


class Door:
    """Whoever knocks at one center: somebody of each role, with a token and with a session."""

    def __init__(self, center: Center) -> None:
        rehearsing = copy.copy(center)
        rehearsing.database = Rehearsal(center.database)
        self.center = center
        self.app: FastAPI = assemble(center.level)
        self.app.state.center = rehearsing
        self._keys = {role: self._hire(role) for role in Role}

    def _hire(self, role: Role) -> dict[TokenKind, str]:
        center, name = self.center, f"door-{role.value}"
        with center.database.write() as session:
            service.create_user(
                session,
                center.clock,
                center.hasher,
                username=name,
                display_name=name,
                password=PASSWORD,
                roles=[role],
                must_change=False,
            )
        return {
            kind: service.login(
                center.database,
                center.clock,
                center.hasher,
                center.throttle,
                username=name,
                password=PASSWORD,
                kind=kind,
            ).token
            for kind in (TokenKind.token, TokenKind.session)
        }

    def cookie(self, role: Role) -> dict[str, str]:
        """The header with which a browser shows somebody's session."""
        return {"cookie": f"{cookie_name(self.center.code)}={self._keys[role][TokenKind.session]}"}

    async def knock(
        self,
        method: str,
        path: str,
        role: Role | None,
        given: Mapping[str, object] | None = None,
        from_page: Mapping[str, str] = OURS,
    ) -> Said:
        """One request, with JSON for the API and a form for a page; ``from_page`` says whose page sent it."""
        api = path.startswith("/api/")
        headers = {"host": HOST, "accept-language": "en"}
        body = b""
        if method == "POST" and path.endswith("/attachments"):
            body, headers = A_FILE["content"], headers | A_FILE["headers"] | from_page
        elif method in {"POST", "PUT", "PATCH"}:
            body = (json.dumps(given or {}) if api else urlencode(given or {})).encode()
            headers["content-type"] = "application/json" if api else "application/x-www-form-urlencoded"
            headers |= from_page
        if role is not None and api:
            headers["authorization"] = f"Bearer {self._keys[role][TokenKind.token]}"
        elif role is not None:
            headers |= self.cookie(role)
        return await self._call(method, path, headers, body)

    async def _call(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": (HOST, 80),
        }
        status, parts, sent = 0, [], False
        gone = asyncio.Event()

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await gone.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, send)
        return Said(status, b"".join(parts))
