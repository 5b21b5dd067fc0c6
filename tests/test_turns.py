"""People write before the links do, and a link waits while a request is being answered; neither without end."""

import asyncio
import threading
import time
from collections.abc import Callable

from node import turns
from node.turns import Courtesy, WriteTurns

PATIENCE = 10.0


class Crowd:
    """Threads that take turns, and the order in which they got them."""

    def __init__(self) -> None:
        self.turns = WriteTurns()
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def person(self, name: str = "person") -> None:
        self._begin(self._person, name)

    def link(self, name: str = "link") -> None:
        self._begin(self._link, name)

    def all_done(self) -> list[str]:
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        return self.order

    def _begin(self, work: Callable[[str], None], name: str) -> None:
        thread = threading.Thread(target=work, args=(name,))
        self._threads.append(thread)
        thread.start()
        time.sleep(0.02)  # until it waits

    def _person(self, name: str) -> None:
        with self.turns:
            self.order.append(name)

    def _link(self, name: str) -> None:
        with self.turns.behind_people():
            self.order.append(name)


def test_whoever_writes_is_alone() -> None:
    turns_ = WriteTurns()
    inside = most = 0

    def work(*, link: bool) -> None:
        nonlocal inside, most
        for _ in range(200):
            with turns_.behind_people() if link else turns_:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work, kwargs={"link": number % 2 == 0}) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert (most, inside) == (1, 0)


def test_people_go_before_links_that_wait_longer() -> None:
    crowd = Crowd()
    with crowd.turns:
        crowd.link()
        crowd.person("first person")
        crowd.person("second person")
    order = crowd.all_done()
    assert set(order[:2]) == {"first person", "second person"}
    assert order[2] == "link"


def test_a_link_comes_to_its_turn_however_many_people_write() -> None:
    turns_ = WriteTurns()
    ended = threading.Event()

    def writes() -> None:
        while not ended.is_set():
            with turns_:
                time.sleep(0.002)

    people = [threading.Thread(target=writes) for _ in range(3)]
    for one in people:
        one.start()
    began = time.monotonic()
    with turns_.behind_people():
        took = time.monotonic() - began
    ended.set()
    for one in people:
        one.join(PATIENCE)
    assert took < PATIENCE / 2


def test_whoever_has_the_turn_may_take_it_again() -> None:
    turns_ = WriteTurns()
    with turns_, turns_.behind_people(), turns_:
        pass
    crowd = Crowd()
    with crowd.turns:
        with crowd.turns.behind_people():
            crowd.link()
        assert crowd.order == [], "the outer turn is not over"
    assert crowd.all_done() == ["link"]


def test_a_link_waits_for_a_request_but_not_for_ever() -> None:
    courtesy = Courtesy()

    async def waited() -> float:
        began = time.monotonic()
        await courtesy.after_you()
        return time.monotonic() - began

    async def story() -> None:
        assert await waited() < turns.COURTESY_S / 2, "nobody asks for anything"
        with courtesy.answering():
            assert await waited() >= turns.COURTESY_S
            waiting = asyncio.create_task(waited())
            await asyncio.sleep(turns.COURTESY_S / 5)
        assert await waiting < turns.COURTESY_S

    asyncio.run(story())
