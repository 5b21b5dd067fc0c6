"""What a demo's people settle before the first matter comes: the county's rules, and who can be called (吹哨报到)."""

from typing import Any, Final

from deploy.demo.people import People
from deploy.demo.plan import Plan, PlannedCenter
from node.accounts.roles import Role

RULES: Final[dict[str, str]] = {
    "days_low": "7",
    "days_medium": "20",
    "days_high": "7",
    "subsidy_low": "100",
    "subsidy_medium": "200",
    "subsidy_high": "300",
}
"""Ordinary matters 7 working days, complex ones 20, high risk 7; a subsidy by difficulty (以案定补)."""

STATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "department", "name": "司法所", "contact": "二楼201"},
    {"kind": "department", "name": "派出所", "contact": "综治窗口"},
    {"kind": "station", "name": "诉讼服务站", "weekdays": [2, 4]},
    {"kind": "station", "name": "妇儿维权站", "contact": "妇联", "weekdays": [1, 3, 5]},
    {"kind": "station", "name": "林草站"},
    {"kind": "room", "name": "第一调解室", "contact": "一楼"},
)
"""Of a township: some resident, some by rota."""

CALLED: Final = ("司法所", "林草站", "派出所")
"""Who is called in turn."""


def furnish(plan: Plan, people: People) -> dict[str, list[str]]:
    """Settle it; the ids of those who can be called, by township.

    Raises:
        Refusal: a center says no.
    """
    people.set_rules(plan.centers[0], RULES)
    return {one.code: _stations(people, one) for one in plan.centers[1:] if plan.children(one.code)}


def _stations(people: People, center: PlannedCenter) -> list[str]:
    found: dict[str, str] = {}
    for station in STATIONS:
        answer = people.do(center, Role.director, "stations", station)
        found = {str(one["name"]): str(one["id"]) for one in answer["items"]}
    return [found[name] for name in CALLED]
