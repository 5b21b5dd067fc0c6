"""A group robot of WeCom (企业微信) or DingTalk (钉钉) tells the office what waits: numbers, and no word of any matter.

It says what the notices of the pages say, each time that one of their numbers has grown. What could not be said is said
at the next look: nothing is queued, since only the present numbers matter. It works beside everything else, so that
nobody ever waits for it.
"""

import asyncio
from typing import Final

import structlog

from node.cases.queues import Queue
from node.center import Center
from node.i18n import DEFAULT, N_, translate
from node.web.notices import desk_of, notices_of
from node.words import place_name

log = structlog.get_logger()

LOOK_S: Final = 60.0
"""Seconds between looks: soon enough for an office, far below the twenty messages a minute that robots may send."""

TIMEOUT_S: Final = 10.0


class Robot:
    """Tells one group.

    Args:
        center: this center.
        url: the robot's address. Its key is part of it, so it is written to no log.
    """

    def __init__(self, center: Center, url: str) -> None:
        self._center = center
        self._url = url
        self._told: dict[Queue, int] = {}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    def look(self) -> bool:
        """Tell the group if there is news; says whether nothing is left to tell."""
        desk = desk_of(self._center)
        counted = {one.queue: one.words for one in notices_of(desk, DEFAULT) if one.queue is not None}
        grown = any(desk.counts[queue] > self._told.get(queue, 0) for queue in counted)
        if grown and not self._say(list(counted.values())):
            return False
        self._told = dict(desk.counts)
        return True

    def _say(self, words: list[str]) -> bool:
        import httpx2  # noqa: PLC0415 - memory; most centers have no robot

        place = place_name(self._center.name)
        text = translate(DEFAULT, N_("{place} center: {news}"), place=place, news=words)
        try:
            answer = httpx2.post(
                self._url, json={"msgtype": "text", "text": {"content": text}}, timeout=TIMEOUT_S, trust_env=False
            )
            answer.raise_for_status()
            code = answer.json().get("errcode")
        except (httpx2.HTTPError, ValueError, AttributeError) as error:
            log.warning("robot.unreachable", reason=type(error).__name__)
            return False
        if code:
            log.warning("robot.refused", code=code)
        return not code
