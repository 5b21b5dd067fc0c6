"""Departments and stations of the holder's own center: called with a task (吹哨), reported (报到)."""

from protocol.entries.parts import Body, Name, Text
from protocol.records import Instant, Number, Token


class Called(Body):
    """A department or station was called, with a task and the instant by which it is to be there (吹哨).

    Attributes:
        station: its name.
        station_id: its id in the list of the center that called.
        task: what it is to do.
        report_by: until when it is to report.
    """

    station: Name
    station_id: Token
    task: Text
    report_by: Instant


class Reported(Body):
    """Who was called has come and says what it did (报到)."""

    call_seq: Number
    text: Text
