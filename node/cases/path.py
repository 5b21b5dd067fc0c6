"""The way of a case through centers, stop by stop, as its log tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from protocol.entries import Kind

if TYPE_CHECKING:
    from node.cases.documents import LogEntry

TRANSFERS: Final = frozenset(
    {Kind.ESCALATED, Kind.ASSIGNED, Kind.RETURNED, Kind.HANDED_OFF, Kind.RECALLED, Kind.REHOMED}
)


@dataclass(frozen=True, slots=True)
class Stop:
    """A term of custody; ``until`` is None for the present one, ``since`` None where the case is still to come."""

    center: str
    since: datetime | None
    until: datetime | None = None
    by: str = ""
    sent_at: datetime | None = None

    @property
    def coming(self) -> bool:
        """Whether the case is on its way here."""
        return self.since is None


def stops_of(log: "Iterable[LogEntry]") -> list[Stop]:
    """The centers that held the case, in order, and the one that it is on its way to.

    ``by`` is the kind of transfer that led to a stop, ``sent_at`` when it was sent.
    """
    stops: list[Stop] = []
    for entry in log:
        if entry.kind == Kind.REGISTERED:
            stops.append(Stop(entry.center, entry.at))
        elif entry.kind == Kind.BOUNCED or taken_back(entry):
            stops = _without_flight(stops)
        elif entry.kind in TRANSFERS and stops:
            stops[-1] = replace(stops[-1], until=entry.at)
            stops.append(Stop(str((entry.data or {}).get("to", "")), None, by=entry.kind, sent_at=entry.at))
        elif entry.kind == Kind.DELIVERED and stops:
            stops[-1] = replace(stops[-1], center=entry.center, since=entry.at)
    return stops


def taken_back(entry: "LogEntry") -> bool:
    """Whether this entry takes back a transfer that no wire ever saw."""
    return entry.kind == Kind.RECALLED and bool((entry.data or {}).get("taken_back"))


def _without_flight(stops: list[Stop]) -> list[Stop]:
    """As it was before the transfer that failed."""
    if len(stops) > 1 and stops[-1].coming:
        return [*stops[:-2], replace(stops[-2], until=None)]
    return stops
