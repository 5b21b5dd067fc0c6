"""What a list of cases is asked for: queue, filters, search, order and page, as they stand in its address."""

from typing import Annotated, Final

from fastapi import Depends, Query

from node.cases.queues import Here, Queue
from node.center import Center
from node.web.case_lines import QUERY_MAX, Wanted

SORTS: Final = ("urgent", "newest")

Text = Annotated[str, Query(max_length=QUERY_MAX)]


def here_of(center: Center) -> Here:
    """Where and when queues are read."""
    return Here(center.code, center.clock.now(), center.policy.near_days)


def _wanted(
    *,
    queue: Text = "",
    q: Text = "",
    grade: Text = "",
    category: Text = "",
    status: Text = "",
    holder: Text = "",
    sort: Text = "",
    page: int = 1,
) -> Wanted:
    """What the address says; a queue or an order that somebody mistyped counts as none."""
    return Wanted(
        queue=Queue(queue) if queue in set(Queue) else None,
        q=q.strip(),
        grade=grade,
        category=category,
        status=status,
        holder=holder,
        sort=sort if sort in SORTS else SORTS[0],
        page=page,
    )


Asked = Annotated[Wanted, Depends(_wanted)]
"""What is asked for with this request, for routes."""


def kept(wanted: Wanted) -> dict[str, str]:
    """The part of an address that asks for the same list, its first page."""
    names = ("queue", "q", "grade", "category", "status", "holder")
    found = {name: str(value) for name in names if (value := getattr(wanted, name))}
    return found if wanted.sort == SORTS[0] else {**found, "sort": wanted.sort}
