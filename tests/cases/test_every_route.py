"""Every route, by every role, in every relation to a case: what happens is what the table says, and nothing else.

The routes are read from the application, the expectation from ``TABLE`` (``node.accounts.roles``), so that a new
route is tried as soon as it is there. What is tried is rolled back (``tests.cases.door``).
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from node.access import relations_in
from node.accounts.authorise import PUBLIC_ROUTES, GuardedRoute, guarded_routes, unguarded
from node.accounts.roles import TABLE, Action, Relation, Role, allowed
from node.app import assemble
from node.cases.entitled import ACTIONS, check_entitled
from node.cases.refusals import _TOLD
from node.level import load_level
from protocol.errors import Refused
from protocol.requests import Ask
from tests.cases.act_examples import EXAMPLES
from tests.cases.door import A_FILE, Door, Said
from tests.cases.scene import COUNTY, FAR_VILLAGE, OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Scene

LEVELS = ("county", "township", "village")

HOW_TO = """
Every route says who may call it. Declare it in the route's signature:
    an API route:  caller: Annotated[Caller, Depends(require(Action.your_action))]
    a page:        caller: Annotated[Caller, Depends(reader(Action.your_action))]
A new Action needs its row in TABLE (node/accounts/roles.py), and `make access` to show it in docs/access.md.
"""

UNASKED = {Action.absorb, Action.export_full}
"""Actions without a route of their own: asked by a node for another; a choice within an export."""

STREAMS = {"GET /events"}
"""Routes whose answer doesn't end; their guard is the same object as that of /events/beat."""

PLACES = {
    "{seq}": "1",
    "{number}": "0",
    "{username}": "nobody",
    "{language}": "en",
}
"""What stands in the places of a path; ``none`` in all others."""

FORM = {"text": "试一试"}

ATTACHED = "2"
"""The entry of the file that every case here has: the one behind its registration."""


# --- the table is whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_every_route_has_its_row(level: str) -> None:
    app = assemble(load_level(level))
    assert unguarded(app) == [], HOW_TO


@pytest.mark.parametrize("level", LEVELS)
def test_no_row_stands_there_for_nothing(level: str) -> None:
    app = assemble(load_level(level))
    asked = {action for route in guarded_routes(app) for action in route.actions}
    assert set(Action) - asked == UNASKED
    assert set(PUBLIC_ROUTES) <= {str(route) for route in guarded_routes(app)}


def test_every_act_of_the_api_has_an_example_here(door: Door) -> None:
    start = "/api/v1/cases/{case_id}/"
    acts = {
        route.path.removeprefix(start).replace("{seq}", "1")
        for route in _routes(door)
        if route.method == "POST" and route.path.startswith(start)
    }
    assert acts - set(EXAMPLES) == set(), "tests/cases/act_examples.py wants a good input for a new act"


# --- routes by roles -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door(sqlite_scene: Scene) -> Door:
    """The township's door."""
    return Door(sqlite_scene.town.center)


def test_nobody_gets_in_where_no_role_of_theirs_may(door: Door) -> None:
    """Every route that is not about one case, by every role, and by nobody."""

    async def knock() -> list[str]:
        return [
            f"{route} as {role or 'nobody'}: {said.status} {said.type}"
            for route in _routes(door)
            if "{case_id}" not in route.path
            for role in ((*Role, None) if route.actions else (None,))
            if not _as_the_table_says(route, role, said := await door.knock(route.method, _path(route), role))
        ]

    assert asyncio.run(knock()) == []


def _as_the_table_says(route: GuardedRoute, role: Role | None, said: Said) -> bool:
    if not route.actions:
        return said.status not in {401, 403}
    if role is None:
        return said.status == 401
    if all(allowed([role], action) for action in route.actions):
        return said.status not in {401, 403} and said.status < 500
    return (said.status, said.type) == (403, "forbidden")


FOREIGN: tuple[dict[str, str], ...] = (
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.test"},
)
"""What another site's page would send with somebody's cookie, if a browser let it."""


def test_no_page_acts_for_another_site(door: Door) -> None:
    """Every unsafe route of a page, with a good session: refused unless the browser says that the form is ours."""

    async def knock() -> list[str]:
        found = []
        for route in _routes(door):
            if route.method != "POST" or route.path.startswith("/api/"):
                continue
            may = [role for role in Role if all(allowed([role], action) for action in route.actions)]
            for headers in FOREIGN:
                said = await door.knock(route.method, _path(route, "none"), may[0], FORM, headers)
                if (said.status, said.type) != (403, "cross-site"):
                    found.append(f"{route} with {headers}: {said.status} {said.type}")
        return found

    assert asyncio.run(knock()) == []


def test_no_call_of_the_api_takes_a_cookie(door: Door) -> None:
    """So no other site's page can make one in somebody's name."""

    async def knock() -> list[str]:
        return [
            str(route)
            for route in _routes(door)
            if route.method == "POST" and route.path.startswith("/api/") and route.actions
            for said in [await door.knock(route.method, _path(route, "none"), None, {}, door.cookie(Role.director))]
            if said.status != 401
        ]

    assert asyncio.run(knock()) == []


# --- routes of a case, by roles and relations ------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """One center, and how it stands to one case."""

    code: str
    case_id: str
    relations: frozenset[Relation]


STANDINGS = ("holder", "full", "partner", "invited", "header", "viewing", "above", "stranger")


@pytest.fixture(scope="module")
def standings(sqlite_scene: Scene) -> dict[str, Standing]:
    """Everybody who stands to a case in each way that there is."""
    scene, r = sqlite_scene, Relation
    case = scene.village.registers(grade="high", parties=[{"name": "张三", "phone": "13800000001"}])
    seen = scene.village.registers(grade="high")
    given = scene.town.registers(grade="high")
    for holder, one in ((scene.village, case), (scene.village, seen), (scene.town, given)):
        assert holder.request("POST", f"/cases/{one}/attachments", **A_FILE).status_code == 200
    scene.village.does(case, "escalate", reason="重大")
    scene.town.does(given, "assign", **EXAMPLES["assign"])
    scene.settle()
    scene.town.does(case, "joint", partners=[OTHER_TOWN, FAR_VILLAGE], reason="交界")
    scene.county.asks(seen, "view", reason="督查")
    scene.settle()
    scene.far_village.asks(case, "joint/accept")
    scene.settle()
    return {
        "holder": Standing(TOWN, case, frozenset({r.holder})),
        "full": Standing(VILLAGE, case, frozenset({r.full})),
        "partner": Standing(FAR_VILLAGE, case, frozenset({r.partner})),
        "invited": Standing(OTHER_TOWN, case, frozenset({r.invited})),
        "header": Standing(COUNTY, case, frozenset({r.header, r.ancestor})),
        "viewing": Standing(COUNTY, seen, frozenset({r.viewing, r.header, r.ancestor})),
        "above": Standing(TOWN, given, frozenset({r.full, r.ancestor})),
        "stranger": Standing(OTHER_VILLAGE, case, frozenset({r.stranger})),
    }


def test_every_relation_is_tried(standings: dict[str, Standing]) -> None:
    assert tuple(standings) == STANDINGS
    assert frozenset().union(*(one.relations for one in standings.values())) == set(Relation)


@pytest.fixture(scope="module")
def doors(sqlite_scene: Scene, door: Door) -> dict[str, Door]:
    """The doors of all centers."""
    return {desk.code: door if desk.code == TOWN else Door(desk.center) for desk in sqlite_scene}


@pytest.mark.parametrize("name", STANDINGS)
def test_a_case_answers_as_the_table_says(doors: dict[str, Door], standings: dict[str, Standing], name: str) -> None:
    standing = standings[name]
    door = doors[standing.code]

    async def knock() -> list[str]:
        return [
            f"{route} as {role} ({', '.join(sorted(standing.relations))}): {said.status} {said.type}, not {wanted}"
            for route in _routes(door)
            if "{case_id}" in route.path
            for role in _walked(route, standing)
            for wanted in [_wanted(route, role, standing.relations)]
            for said in [await door.knock(route.method, _path(route, standing.case_id), role, _given(route))]
            if not _fits(wanted, said)
        ]

    assert asyncio.run(knock()) == []


def _walked(route: GuardedRoute, standing: Standing) -> list[Role]:
    """Who tries: a stranger's people of all roles; elsewhere one who may, another one at each route and each standing.

    Behind the door nobody asks for roles any more. ``WALK=all`` lets everybody try everything, which takes a minute.
    """
    if Relation.stranger in standing.relations or os.environ.get("WALK") == "all":
        return list(Role)
    may = [role for role in Role if all(allowed([role], action) for action in route.actions)]
    return [may[(len(route.path) + len(standing.relations)) % len(may)]]


def _wanted(route: GuardedRoute, role: Role, relations: frozenset[Relation]) -> str:
    """What the table says of a route: a status, ``done``, ``asked``, ``not-holder`` or ``holder-cannot-ask``."""
    if not all(allowed([role], action) for action in route.actions):
        return "403"
    if role is Role.department:
        return "404"  # it reports on its own calls only, and this is none
    action = max(route.actions, key=lambda each: each is not Action.read_cases)
    row = TABLE[action]
    if relations.isdisjoint(TABLE[Action.read_cases].does):
        return "404"
    if relations & row.does:
        return "done"
    if action in {Action.read_whole, Action.show_field, Action.make_papers, Action.open_file}:
        return "404"
    reads_all = bool(relations & TABLE[Action.read_whole].does)
    sends = route.method == "POST" and reads_all and row.asks  # the holder judges, who may know more than the sender
    if not route.path.startswith("/api/") and not relations & row.asks and not sends:
        return "holder-cannot-ask" if Relation.holder in relations else "not-holder"
    if not row.asks:
        return "not-holder"
    return "holder-cannot-ask" if Relation.holder in relations else "asked"


def _fits(wanted: str, said: Said) -> bool:
    if said.status >= 500:
        return False
    if wanted == "403":
        return (said.status, said.type) == (403, "forbidden")
    if wanted == "404":
        return said.status == 404
    if wanted in {"not-holder", "holder-cannot-ask"}:
        return said.status in {409, 422} and said.type in {
            wanted,
            "not-a-follower",
            "",
        }  # "": a page with the reason on it
    return said.status in {200, 202, 303, 409, 422} and said.type not in {"not-holder", "holder-cannot-ask"}


# --- requests, at the holder -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in STANDINGS if name != "holder"])
def test_the_holder_grants_a_request_only_to_who_is_entitled(
    sqlite_scene: Scene, standings: dict[str, Standing], name: str
) -> None:
    """Every kind of request, in every relation, as the holder's node judges it before it does anything."""
    assert set(ACTIONS) == set(Ask)
    standing = standings[name]
    state = sqlite_scene.village.state(standing.case_id)
    tree = sqlite_scene.village.center.directory.tree
    found = relations_in(state, standing.code, tree)
    assert found == (standing.relations - {Relation.header, Relation.viewing}), "what a log can say"
    for ask, action in ACTIONS.items():
        if TABLE[action].asks & standing.relations:
            check_entitled(ask, state, standing.code, tree)
            continue
        with pytest.raises(Refused) as caught:
            check_entitled(ask, state, standing.code, tree)
        assert caught.value.reason in _TOLD, "there are words for it"


# --- paths and inputs ------------------------------------------------------------------------------------------------


def _routes(door: Door) -> Iterator[GuardedRoute]:
    """Every route that can be called here."""
    return (route for route in guarded_routes(door.app) if route.method != "ANY" and str(route) not in STREAMS)


def _path(route: GuardedRoute, case_id: str = "") -> str:
    seq = ATTACHED if "/attachments/" in route.path else PLACES["{seq}"]
    places = {**PLACES, "{case_id}": case_id, "{seq}": seq, "{name}": "phone" if "/parties/" in route.path else "cover"}
    return re.sub(r"\{\w+\}", lambda found: places.get(found[0], "none"), route.path)


def _given(route: GuardedRoute) -> Mapping[str, object]:
    if not route.path.startswith("/api/"):
        return FORM
    act = route.path.partition("{case_id}/")[2].replace("{seq}", "1")
    return EXAMPLES.get(act, {})
