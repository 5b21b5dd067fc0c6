"""What a clerk is told while nothing can be saved."""

import os
import time

import httpx2

from protocol.entries import TEXT_MAX
from tests.faults.clerks import Act, Desk
from tests.faults.processes import Served

NOT_SAVED = {"zh-CN": "未保存：", "en": "Not saved: "}
"""How it begins, by the reader's language."""

REFUSED_WITHIN = 60.0
"""Seconds until a center has used up what it had reserved before its disk became full."""

DESCRIPTION = "长" * TEXT_MAX
"""Long, so that what was reserved is soon used up."""


def must_be_told(center: Served, acts: list[Act]) -> None:
    """Register matters until somebody is told that one was not saved; those before it were, and count as acts."""
    for language, beginning in NOT_SAVED.items():
        told = _refused(center, language, acts)
        assert told.startswith(beginning), told


def _refused(center: Served, language: str, acts: list[Act]) -> str:
    desk, began = Desk(center), time.monotonic()
    desk.client.headers["Accept-Language"] = language
    given = {"category": "neighbourhood", "place": "一组", "parties": [{"name": "张三"}], "description": DESCRIPTION}
    try:
        while time.monotonic() - began < REFUSED_WITHIN:
            mark = f"m{os.urandom(16).hex()}"
            try:
                answer = desk.once("POST", "/cases", {"title": f"纠纷 {mark}", **given}, mark)
            except httpx2.HTTPStatusError as refused:  # the login, which is a write too
                answer = refused.response
            if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
                return _words(answer, language)
            assert answer.status_code == httpx2.codes.CREATED, answer.text
            acts.append(Act(center.code, "cases", mark, answer.status_code, answer.json(), 1))
        raise AssertionError(f"{center.code} goes on saving")
    finally:
        desk.close()


def _words(answer: httpx2.Response, language: str) -> str:
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Language"] == language
    problem = answer.json()
    assert problem["type"] == "database-unavailable"
    return str(problem["detail"])
