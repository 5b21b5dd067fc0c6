"""The group robot: numbers without a word of any matter, said again only when they grow, retried when nobody hears."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from node import policies
from node.accounts.roles import Role
from node.robot import Robot
from node.unit import unit_of
from protocol.policy import Policy
from tests.conftest import HeldClock
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register


class Group(ThreadingHTTPServer):
    """A chat group: what it heard, and what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ear)
        self.heard: list[str] = []
        self.answer: tuple[int, bytes] = (200, b'{"errcode": 0}')

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/send?key=secret"


class Ear(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Group)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["msgtype"] == "text"
        self.server.heard.append(body["text"]["content"])
        status, answer = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def group() -> Iterator[Group]:
    server = Group()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_robot_says_numbers_once_and_again_when_they_grow(
    centers: Centers, sign_in: SignIn, group: Group, clock: HeldClock
) -> None:
    client = sign_in(centers.village, Role.director)
    with unit_of(centers.village) as unit:
        policies.set_policy(unit, Policy(days_low=1))
    robot = Robot(centers.village, group.url)
    assert robot.look()
    assert group.heard == [], "nothing waits, nothing is said"
    register(client, place="七组")
    clock.advance(timedelta(hours=23))
    register(sign_in(centers.village, Role.director, username="wang"), place="八组", category="other")
    group.answer = (200, b'{"errcode": 45009, "errmsg": "too often"}')
    assert not robot.look()
    group.answer = (503, b"")
    assert not robot.look()
    group.answer = (200, b'{"errcode": 0}')
    assert robot.look()
    assert robot.look()
    assert len(group.heard) == 3, "said until it was heard, and then no more"
    assert group.heard[-1] == "谢官营村综治中心：1件今日到期"
    for word in ("张某某", "放水", "组"):
        assert word not in "".join(group.heard)
