"""Metrics of one center, for Prometheus: backlog, lag, frames, applied, parked, request times."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from node.federation import lanes
from node.federation.tables import LinkRow, ParkedRow

if TYPE_CHECKING:
    from node.center import Center

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds; pages shall take under 50 ms."""


class Metrics:
    """Counters of one process, in a registry of their own (many centers may live in one process in tests)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["peer"]
        self._frames = Counter("liandong_frames_sent", "DATA frames sent", labels, registry=self.registry)
        self._bytes = Counter("liandong_bytes_sent", "Payload of DATA frames sent", labels, registry=self.registry)
        self._messages = Counter("liandong_messages_sent", "Messages sent", labels, registry=self.registry)
        self._applied = Counter("liandong_messages_applied", "Messages applied", labels, registry=self.registry)
        self._parked = Counter("liandong_messages_parked", "Messages parked", labels, registry=self.registry)
        self._refused = Counter("liandong_frames_refused", "Frames refused", labels, registry=self.registry)
        self._ignored = Counter("liandong_frames_ignored", "Frames dropped unread", labels, registry=self.registry)
        self.requests = Histogram(
            "liandong_request_seconds",
            "Time to answer a request",
            ["method", "route", "status"],
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )

    def sent(self, peer: str, messages: int, size: int) -> None:
        """A DATA frame was handed to the wire."""
        self._frames.labels(peer).inc()
        self._messages.labels(peer).inc(messages)
        self._bytes.labels(peer).inc(size)

    def applied(self, peer: str, messages: int, parked: int) -> None:
        """A frame was committed."""
        self._applied.labels(peer).inc(messages - parked)
        self._parked.labels(peer).inc(parked)

    def refused(self, peer: str) -> None:
        """A frame did not read, or was not its neighbour's."""
        self._refused.labels(peer).inc()

    def ignored(self, peer: str) -> None:
        """A frame came from a neighbour that is not listened to for a while."""
        self._ignored.labels(peer).inc()

    def render(self, center: "Center") -> bytes:
        """The text that Prometheus scrapes."""
        live = CollectorRegistry()
        live.register(_LinkCollector(center))
        return generate_latest(self.registry) + generate_latest(live)


class _LinkCollector(Collector):
    """Reads backlog, lag and parked messages when it is asked."""

    def __init__(self, center: "Center") -> None:
        self._center = center

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        backlog = GaugeMetricFamily("liandong_backlog", "Messages the neighbour's database lacks", labels=["peer"])
        lag = GaugeMetricFamily("liandong_lag_seconds", "Age of the oldest of them", labels=["peer"])
        linked = GaugeMetricFamily("liandong_linked", "1 while the link is up", labels=["peer"])
        parked = GaugeMetricFamily("liandong_parked", "Messages parked now", labels=["peer"])
        limited = GaugeMetricFamily("liandong_limited", "1 while it is not listened to", labels=["peer"])
        now = self._center.clock.now()
        with self._center.database.read() as session:
            rows = session.execute(select(ParkedRow.peer, func.count()).group_by(ParkedRow.peer))
            counts = dict(rows.all())
            oldest = lanes.oldest_unacked(session)
            for link in session.scalars(select(LinkRow).where(LinkRow.revoked_at.is_(None))):
                backlog.add_metric([link.peer], lanes.backlog(session, link.peer))
                lag.add_metric([link.peer], _age(now, oldest.get(link.peer)))
                linked.add_metric([link.peer], float(link.state == "linked"))
                limited.add_metric([link.peer], float(link.limited_until is not None and link.limited_until > now))
                parked.add_metric([link.peer], counts.get(link.peer, 0))
        return [backlog, lag, linked, limited, parked]


def _age(now: datetime, then: datetime | None) -> float:
    return max(0.0, (now - then).total_seconds()) if then is not None else 0.0
