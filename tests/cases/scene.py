"""The scene of these tests: a county, two townships, three villages, all running in this process, and their people.

The federation runs in a thread of its own; tests stand outside and read line by line, as people act one after the
other::

    case = scene.village.registers()
    scene.village.does(case, "accept")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full"}
"""

import asyncio
import html
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import bindparam, delete, select, text

from node.accounts import service as accounts
from node.accounts.roles import Role
from node.accounts.tables import User
from node.app import assemble
from node.cases.tables import CaseRow, HeldBackRow
from node.center import Center
from node.federation.tables import ParkedRow
from protocol.case import CaseState
from tests.federation_kit import PASSWORD, DatabaseUrl, Fed, Member, Wire, county

COUNTY = "532923000000"
"""祥云县."""
TOWN = "532923102000"
"""沙龙镇."""
OTHER_TOWN = "532923101000"
"""祥城镇."""
VILLAGE = "532923102205"
"""谢官营, under TOWN."""
OTHER_VILLAGE = "532923102202"
"""花园, under TOWN."""
FAR_VILLAGE = "532923101201"
"""平坝, under OTHER_TOWN."""

CODES = [COUNTY, OTHER_TOWN, FAR_VILLAGE, TOWN, OTHER_VILLAGE, VILLAGE]

PATIENCE = 20.0
"""Seconds after which a test that waits has found something."""

LOOK_AGAIN = 0.5
"""Seconds after which a test that waits looks again though nothing was committed."""

Json = dict[str, Any]
"""A document of the API, as a client of it sees it."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Refusal:
    """A problem that the API answered with."""

    status: int
    type: str
    document: Json


class Desk:
    """One center and its people. Whoever acts is its director, unless a role is named."""

    def __init__(self, member: Member, client: TestClient) -> None:
        self.member = member
        self._client = client
        self._tokens: dict[Role, str] = {}
        self._hiring = threading.Lock()

    @property
    def code(self) -> str:
        """The center's code."""
        return self.member.code

    @property
    def center(self) -> Center:
        """The center itself, for what people can't do."""
        return self.member.center

    # --- over HTTP ---------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        role: Role = Role.director,
        given: object = None,
        content: bytes | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """One call of the API, signed in: with a document, with bytes as they are, or with neither."""
        more: Json = {"params": query}
        if content is not None:
            more["content"] = content
        elif method == "POST":
            more["json"] = given
        with self._hiring:
            if role not in self._tokens:
                self._hire(role)
        answer = self._request(method, path, role, headers or {}, more)
        if answer.status_code == 401:  # the clock was moved on: the token has expired
            self._sign_in(role)
            answer = self._request(method, path, role, headers or {}, more)
        return answer

    password = PASSWORD

    def anonymous(
        self, method: str, path: str, *, given: object = None, headers: dict[str, str] | None = None
    ) -> Response:
        """One call of the API by somebody who is not signed in, or says so by these headers."""
        raw = {name.encode(): value.encode() for name, value in (headers or {}).items()}
        return self._client.request(method, f"/api/v1{path}", json=given, headers=raw)

    def _request(self, method: str, path: str, role: Role, headers: dict[str, str], more: Json) -> Response:
        signed_in = {"Authorization": f"Bearer {self._tokens[role]}", **headers}
        return self._client.request(method, f"/api/v1{path}", headers=signed_in, **more)

    def _hire(self, role: Role) -> None:
        with self.center.database.write() as session:
            accounts.create_user(
                session,
                self.center.clock,
                self.center.hasher,
                username=role.value,
                display_name=f"{role.value} 同志",
                password=PASSWORD,
                roles=[role],
                must_change=False,
            )
        self._sign_in(role)

    def tokens_of_copy(self, member: Member) -> None:
        """Sign those in whom this database knows already."""
        with member.read() as session:
            known = set(session.scalars(select(User.username)))
        for role in Role:
            if role.value in known:
                self._sign_in(role)

    def signs_in(self, role: Role = Role.director) -> None:
        """Somebody who was hired before: their account came back with a backup."""
        self._sign_in(role)

    def _sign_in(self, role: Role) -> None:
        answer = self._client.post("/api/v1/login", json={"username": role.value, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self._tokens[role] = str(answer.json()["token"])

    def get(self, path: str, **query: object) -> Json:
        """A document that must be there."""
        answer = self.request("GET", path, query={name: str(value) for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def post(self, path: str, given: object, *, role: Role = Role.director, key: str | None = None) -> Response:
        """A POST, whatever comes of it."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.request("POST", path, given=given, role=role, headers=headers)

    def registers(self, *, role: Role = Role.director, **changes: object) -> str:
        """Register a matter; its id."""
        answer = self.post("/cases", {**MATTER, **changes}, role=role)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def does(self, case: str, act: str, *, role: Role = Role.director, **given: object) -> Json:
        """Do something as the holder; the case afterwards."""
        answer = self.post(f"/cases/{case}/{act}", given, role=role)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def asks(self, case: str, act: str, *, role: Role = Role.director, **given: object) -> str:
        """Ask the holder for something; the request's id."""
        answer = self.post(f"/cases/{case}/{act}", given, role=role)
        assert answer.status_code == 202, answer.text
        request: Json = answer.json()["request"]
        assert request["state"] == "pending"
        assert request["mine"] is True
        return str(request["id"])

    def refused(self, case: str, act: str, *, role: Role = Role.director, **given: object) -> Refusal:
        """Try something that must be refused."""
        return refusal(self.post(f"/cases/{case}/{act}", given, role=role))

    def case(self, case: str) -> Json:
        """The case as this center sees it."""
        return self.get(f"/cases/{case}")

    def sees(self, case: str) -> str | None:
        """What access this center has; None where it is answered 404."""
        answer = self.request("GET", f"/cases/{case}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access"])

    def answer_to(self, case: str, request: str) -> tuple[str, str | None]:
        """Where a request of ours stands, and the reason."""
        [found] = [one for one in self.case(case)["requests"] if one["id"] == request]
        return str(found["state"]), found["reason"]

    def links(self) -> list[Json]:
        """The links of this center."""
        answer = self.request("GET", "/links")
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()
        return found

    def kinds(self, case: str) -> list[str]:
        """The kinds of the entries of the case's log here."""
        return [str(entry["kind"]) for entry in self.case(case)["log"]]

    def page(self, path: str = "/") -> str:
        """What a page says, in English, to the director who signs in by the form."""
        with self._hiring:
            if Role.director not in self._tokens:
                self._hire(Role.director)
        with TestClient(self._client.app, headers={"Accept": "text/html", "Accept-Language": "en"}) as browser:
            signed_in = browser.post("/login", data={"username": Role.director.value, "password": PASSWORD})
            assert signed_in.status_code == 200, signed_in.text
            page = browser.get(path)
        assert page.status_code == 200, page.text
        return html.unescape(page.text)

    # --- below HTTP --------------------------------------------------------------------------------

    def row(self, case: str) -> CaseRow | None:
        """The row of a case, whoever may see it."""
        with self.member.read() as session:
            row = session.get(CaseRow, case)
            session.expunge_all()
            return row

    def state(self, case: str) -> CaseState:
        """The state of a case as this center stores it."""
        row = self.row(case)
        assert row is not None
        assert row.state is not None
        return CaseState.model_validate_json(row.state)

    def parked(self) -> list[ParkedRow]:
        """What is parked here, oldest first."""
        with self.member.read() as session:
            rows = list(session.scalars(select(ParkedRow).order_by(ParkedRow.number)))
            session.expunge_all()
            return rows

    def held_back(self) -> list[tuple[str, int]]:
        """Case and seq of what waits here for an entry that precedes it."""
        with self.member.read() as session:
            return [(row.case_id, row.seq) for row in session.execute(select(HeldBackRow.case_id, HeldBackRow.seq))]

    def forget(self, *parked_ids: str) -> None:
        """Throw away these parked messages, or all, as an operator does who gave them up."""
        rows = delete(ParkedRow)
        with self.center.database.write() as session:
            session.execute(rows.where(ParkedRow.id.in_(parked_ids)) if parked_ids else rows)


def refusal(answer: Response) -> Refusal:
    """A problem, checked for its form (RFC 9457)."""
    assert answer.status_code >= 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: Json = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return Refusal(answer.status_code, str(document["type"]), document)


MATTER: Json = {
    "title": "排水沟堵塞",
    "category": "neighbourhood",
    "place": "谢官营三组",
    "parties": [{"name": "张三", "role": "applicant", "phone": "13800000001"}, {"name": "李四", "role": "respondent"}],
}
"""What somebody registers who has nothing particular in mind."""

SESSION: Json = {
    "held_at": "2026-03-02T09:00:00+08:00",
    "place": "村委会",
    "mediators": ["王调解员"],
    "summary": "双方各让一步",
}
"""A mediation session."""

FOUR: Json = {"lead": "赵主任", "department": "司法所", "handler": "钱调解员", "working_days": 5}
"""四定."""


def _client(member: Member, clients: ExitStack) -> TestClient:
    """A client of a center's API; open all the time, which saves a thread for every call."""
    app = assemble(member.center.level)
    app.state.center = member.center
    return clients.enter_context(TestClient(app, headers={"Accept-Language": "en"}))


class Scene:
    """A running federation and the desks of its centers."""

    def __init__(self, fed: Fed, loop: asyncio.AbstractEventLoop, clients: ExitStack) -> None:
        self.fed = fed
        self._loop = loop
        self._clients = clients
        self.desks = {member.code: Desk(member, _client(member, clients)) for member in fed}
        self._committed = threading.Event()
        for member in fed:
            member.center.database.on_commit(self._committed.set)

    def __getitem__(self, code: str) -> Desk:
        return self.desks[code]

    def __iter__(self) -> Iterator[Desk]:
        return iter(self.desks.values())

    @property
    def county(self) -> Desk:
        """The county."""
        return self[COUNTY]

    @property
    def town(self) -> Desk:
        """The township that the village lies in."""
        return self[TOWN]

    @property
    def other_town(self) -> Desk:
        """The neighbouring township."""
        return self[OTHER_TOWN]

    @property
    def village(self) -> Desk:
        """The village where most begins."""
        return self[VILLAGE]

    @property
    def other_village(self) -> Desk:
        """Another village of the same township."""
        return self[OTHER_VILLAGE]

    @property
    def far_village(self) -> Desk:
        """A village of the neighbouring township."""
        return self[FAR_VILLAGE]

    def sees(self, case: str) -> dict[str, str]:
        """Who sees what of a case; who is answered 404 is left out."""
        found = {desk.code: desk.sees(case) for desk in self}
        return {code: access for code, access in found.items() if access is not None}

    def run(self, work: Coroutine[Any, Any, Result], within: float = PATIENCE) -> Result:
        """Do something on the federation's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within)

    def stop(self, *codes: str) -> None:
        """End the links of these centers, as the end of their processes does; people there go on working."""
        for code in codes:
            self.run(self.fed[code].stop())

    def start(self, *codes: str) -> None:
        """Let them run again."""
        for code in codes:
            self.run(self.fed[code].start())

    @contextmanager
    def offline(self, *codes: str) -> Iterator[None]:
        """A time in which these centers are cut off."""
        self.stop(*codes)
        try:
            yield
        finally:
            self.start(*codes)

    def enrol(self, parent: str, code: str, directory: Path, *, name: str) -> None:
        """A new village joins, and runs."""
        self._seat(self.run(self.fed.enrol(parent, code, directory, name=name, level="village")))
        self.start(code)
        self.settle()

    def lose(self, code: str, directory: Path, database_url: str | None = None, *, recover: bool = True) -> None:
        """Lose a center's machine; it joins anew in another directory and does not run yet."""
        self._seat(self.run(self.fed.lose(code, directory, database_url, recover=recover)))

    def reopen(self, code: str) -> None:
        """Open a center that does not run from its directory again: a command has changed it."""
        self._seat(self.run(self.fed.reopen(code)))

    def _seat(self, member: Member) -> None:
        member.center.database.on_commit(self._committed.set)
        self.desks[member.code] = Desk(member, _client(member, self._clients))

    def roll_back(self, code: str, copy: Path) -> None:
        """Put an earlier copy in the place of a center's database; it runs again, and nobody has told it."""
        member = self.run(self.fed.roll_back(code, copy))
        member.center.database.on_commit(self._committed.set)
        desk = self.desks[code] = Desk(member, _client(member, self._clients))
        desk.tokens_of_copy(member)
        self.start(code)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is the case."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s"
            self._committed.clear()
            self._committed.wait(LOOK_AGAIN)

    def tidy(self) -> None:
        """Let everybody run, and throw away what is parked. Nothing may still wait for what never comes."""
        for desk in self:
            if not desk.member.running:
                self.start(desk.code)
            desk.forget()
        self.settle(parked=True)
        waiting = {desk.code: found for desk in self if (found := desk.held_back())}
        assert not waiting, waiting

    def settle(self, *, parked: bool = False) -> None:
        """Wait until every message between running centers is acknowledged; nothing may be parked, unless allowed."""
        before = -1
        moving = 0
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._committed.clear()
            moving, sent = self._moving(parked=parked)
            if not moving and sent == before:
                return
            before = -1 if moving else sent
            if moving:
                self._committed.wait(LOOK_AGAIN)
        raise AssertionError(f"{moving} messages still moving after {PATIENCE} s")

    def _moving(self, *, parked: bool) -> tuple[int, int]:
        """How many messages are on their way between running centers, and how many there ever were."""
        running = [member.code for member in self.fed if member.running]
        moving = total = 0
        for code in running:
            with self[code].center.database.engine.connect() as connection:
                found = connection.execute(_POSITIONS, {"running": running}).one()
            assert parked or not found.parked, [(row.type, row.reason) for row in self[code].parked()]
            moving += found.moving
            total += found.sent + found.applied
        return moving, total


_POSITIONS = text("""
    SELECT coalesce(sum(lanes.last_seq - lanes.acked_seq), 0) AS moving, coalesce(sum(lanes.last_seq), 0) AS sent,
        (SELECT sum(applied_seq) FROM inbox WHERE lane = 'case') AS applied,
        (SELECT count(*) FROM parked) AS parked
    FROM lanes JOIN links ON links.peer = lanes.peer
    WHERE lanes.lane = 'case' AND links.revoked_at IS NULL AND lanes.peer IN :running
""").bindparams(bindparam("running", expanding=True))


@contextmanager
def scene_of(
    directory: Path, *, wire: Wire = Wire.MEMORY, database_url: DatabaseUrl | None = None, started: bool = True
) -> Iterator[Scene]:
    """A running scene, ended with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="federation")
    thread.start()
    federation = county(directory, codes=CODES, wire=wire, database_url=database_url, acquainted=True, started=started)
    try:
        fed = asyncio.run_coroutine_threadsafe(federation.__aenter__(), loop).result(120)
        try:
            with ExitStack() as clients:
                yield Scene(fed, loop, clients)
        finally:
            asyncio.run_coroutine_threadsafe(federation.__aexit__(None, None, None), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
