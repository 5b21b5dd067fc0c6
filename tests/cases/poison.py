"""Messages that nobody can apply."""

from typing import cast

from protocol.messages import Type
from protocol.payloads import Entries
from protocol.records import Frozen, Record
from tests.cases.scene import Desk


def poison(desk: Desk, to: str, case: str) -> None:
    """Send log entries of a case that do not verify."""
    record = Record(head="{}", signature="", salt="", body="{}")
    with desk.member.act() as unit:
        unit.outbox.send(Type.ENTRIES, Entries(case_id=case, entries=(record,)), to, case_id=case)


FUTURE = "cn.liandong.case.future.v9"
"""A type of message that comes with the next version."""


class Future(Frozen):
    """What a newer center says."""

    words: str


def from_the_future(desk: Desk, to: str, case: str | None, words: str) -> None:
    """Send a message of a type that nobody here knows."""
    with desk.member.act() as unit:
        unit.outbox.send(cast("Type", FUTURE), Future(words=words), to, case_id=case)
