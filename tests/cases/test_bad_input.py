"""Bad input over HTTP (issue 2, point 13): a status, a type, words in both languages, and nothing half-done."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from node.accounts.roles import Role
from protocol import entries as e
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    MATTER,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Desk,
    Json,
    Refusal,
    Scene,
    refusal,
)
from tests.cases.stored import traces

CHINESE = re.compile("[\u4e00-\u9fff]")

REASON: Json = {"reason": "-"}
WITHOUT_DEADLINE = {name: value for name, value in FOUR.items() if name != "working_days"}

ACTS: dict[str, Json] = {
    "accept": {},
    "grade": {"grade": "high", **REASON},
    "correct": {"changes": {"title": "t"}, **REASON},
    "notes": {"text": "t"},
    "mediations": SESSION,
    "agree": {"agreement": "a"},
    "fulfilments": {"agreement_seq": 1, "term": 1, "on": "2026-03-09"},
    "fail": REASON,
    "withdraw": REASON,
    "refer": {"to": "法院", **REASON},
    "close": {},
    "subsidy": {"mediators": ["王调解员"]},
    "subsidy/judge": {"approved": True},
    "merge": {"into": "532923102000-2026-9999"},
    "reopen": REASON,
    "follow-ups": {"held_at": "2026-03-09T10:00:00+08:00", "method": "上门"},
    "escalate": REASON,
    "return": REASON,
    "recall": REASON,
    "assign": {"to": VILLAGE, **FOUR},
    "extend": {"working_days": 3, "consented": ["张三", "李四"], **REASON},
    "calls": {"stations": ["s1"], "task": "t", "report_by": "2090-01-01T09:00:00+08:00"},
    "calls/1/report": {"text": "t"},
    "urge": {"text": "t"},
    "urge/1/answer": {"text": "t"},
    "view": REASON,
    "joint": {"partners": [OTHER_TOWN], **REASON},
    "joint/accept": {},
    "joint/decline": REASON,
    "joint/entries": {"text": "t"},
    "joint/countersign": {"agreement_seq": 1},
    "joint/lead": {"to": OTHER_TOWN, **REASON},
    "rule": {"to": VILLAGE, **REASON},
    "handoff": {"to": OTHER_TOWN, **REASON},
    "handoff/accept": {},
    "handoff/decline": REASON,
}
"""Every act of the API with an input that is well formed."""


def refused(
    desk: Desk,
    path: str,
    given: object = None,
    *,
    content: bytes | None = None,
    method: str = "POST",
    role: Role = Role.director,
    headers: dict[str, str] | None = None,
) -> Refusal:
    """Try it in both languages: refused with the same problem, in words, and nothing has changed."""
    desk.sees("nothing")  # signed in
    before = traces(desk)
    told: list[Refusal] = []
    for language in ("zh-CN", "en"):
        spoken = {"Accept-Language": language, **(headers or {})}
        answer = desk.request(method, path, given=given, content=content, role=role, headers=spoken)
        told.append(refusal(answer))
        assert answer.headers["content-language"] == language
    chinese, english = told
    assert (chinese.status, chinese.type) == (english.status, english.type)
    for texts, is_chinese in ((list(texts_of(chinese)), True), (list(texts_of(english)), False)):
        for text in texts:
            assert "{" not in text, text
            assert bool(CHINESE.search(text)) is is_chinese or not is_chinese, text
    assert list(texts_of(chinese)) != list(texts_of(english))
    assert traces(desk) == before
    return english


def texts_of(refusal: Refusal) -> Iterator[str]:
    yield str(refusal.document["title"])
    yield str(refusal.document["detail"])
    for error in refusal.document.get("errors", []):
        yield str(error["message"])


def first_error(refusal: Refusal) -> tuple[str, str]:
    """The first field that could not be taken, and why."""
    assert (refusal.status, refusal.type) == (422, "invalid")
    error = refusal.document["errors"][0]
    return error["field"], error["message"]


# --- documents that can't be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"title": ', "Malformed JSON at position 10."),
        (b"title=x", "Malformed JSON at position 0."),
        (b"", "A JSON body is required."),
        (b"5", "This must be a JSON object (Content-Type: application/json)."),
        (b"[]", "This must be a JSON object (Content-Type: application/json)."),
        (b'"text"', "This must be a JSON object (Content-Type: application/json)."),
        (b"[" * 20_000, "The request body cannot be read."),
        (b'{"title": "\xff\xfe"}', "The request body cannot be read."),
        (b'{"epoch": ' + b"9" * 5_000 + b"}", "The request body cannot be read."),
    ],
)
def test_what_is_no_json_document_is_refused(scene: Scene, content: bytes, message: str) -> None:
    headers = {"Content-Type": "application/json"}
    case = scene.village.registers()
    for path in ("/cases", f"/cases/{case}/notes"):
        found = refused(scene.village, path, content=content, headers=headers)
        assert (found.status, found.type) == (422, "invalid")
        assert message in {found.document["detail"], *(one["message"] for one in found.document.get("errors", []))}


def test_a_form_is_no_json(scene: Scene) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    found = refused(scene.village, "/cases", content=b"title=x", headers=headers)
    assert (found.status, found.type) == (422, "invalid")


def test_a_body_over_the_limit_is_refused_before_it_is_read(scene: Scene) -> None:
    found = refused(scene.village, "/cases", {**MATTER, "description": "长" * 500_000})
    assert (found.status, found.type, found.document["limit"]) == (413, "too-large", 1024 * 1024)


# --- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"title": None}, "title", "This must be text."),
        ({"title": 5}, "title", "This must be text."),
        ({"title": ["x"]}, "title", "This must be text."),
        ({"title": ""}, "title", "This field must not be empty."),
        ({"title": "   "}, "title", "This field must not be empty."),
        ({"parties": []}, "parties", "This field must not be empty."),
        ({"parties": "张三"}, "parties", "This must be a list."),
        ({"parties": [{}]}, "parties.0.name", "This field is required."),
        ({"parties": [{"name": " "}]}, "parties.0.name", "This field must not be empty."),
        ({"parties": [{"name": "n", "ethnicity": "彝"}]}, "parties.0.ethnicity", "There is no such field."),
        ({"colour": "red"}, "colour", "There is no such field."),
        ({"number": "1"}, "number", "There is no such field."),
    ],
)
def test_a_field_of_the_wrong_form_is_named(scene: Scene, changes: Json, field: str, message: str) -> None:
    assert first_error(refused(scene.village, "/cases", {**MATTER, **changes})) == (field, message)


@pytest.mark.parametrize("missing", ["title", "category", "place", "parties"])
def test_what_is_missing_is_named(scene: Scene, missing: str) -> None:
    matter = {name: value for name, value in MATTER.items() if name != missing}
    assert first_error(refused(scene.village, "/cases", matter)) == (missing, "This field is required.")


@pytest.mark.parametrize(
    ("changes", "field", "known"),
    [
        ({"category": "gossip"}, "category", "neighbourhood"),
        ({"category": "邻里"}, "category", "marriage_family"),
        ({"grade": "huge"}, "grade", "high"),
        ({"source": "rumour"}, "source", "hotline"),
        ({"parties": [{"name": "n", "role": "witness"}]}, "parties.0.role", "applicant"),
    ],
)
def test_an_unknown_code_is_refused_with_those_that_are_known(
    scene: Scene, changes: Json, field: str, known: str
) -> None:
    found = refused(scene.village, "/cases", {**MATTER, **changes})
    assert first_error(found)[0] == field
    assert known in found.document["errors"][0]["allowed"]


PARTY = {"name": "n"}

LIMITS: list[tuple[str, Json, str, int]] = [
    ("", {**MATTER, "title": "长" * 201}, "title", e.TITLE_MAX),
    ("", {**MATTER, "place": "长" * 201}, "place", e.PLACE_MAX),
    ("", {**MATTER, "description": "长" * 4001}, "description", e.TEXT_MAX),
    ("", {**MATTER, "parties": [PARTY] * 31}, "parties", e.PARTIES_MAX),
    ("", {**MATTER, "parties": [{"name": "长" * 101}]}, "parties.0.name", e.NAME_MAX),
    ("", {**MATTER, "parties": [{**PARTY, "phone": "1" * 31}]}, "parties.0.phone", e.PHONE_MAX),
    ("", {**MATTER, "parties": [{**PARTY, "address": "长" * 201}]}, "parties.0.address", e.SHORT_TEXT_MAX),
    ("", {**MATTER, "parties": [{**PARTY, "id_number": "1" * 21}]}, "parties.0.id_number", 20),
    ("grade", {"grade": "high", "reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("grade", {"grade": "high", **REASON, "judged_by": ["n"] * 21}, "judged_by", e.JUDGES_MAX),
    ("grade", {"grade": "high", **REASON, "departments": ["n"] * 21}, "departments", e.DEPARTMENTS_MAX),
    ("subsidy", {"mediators": ["n"] * 21}, "mediators", e.MEDIATORS_MAX),
    ("subsidy/judge", {"approved": True, "reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("merge", {"into": "长" * 101}, "into", 100),
    ("rule", {"to": VILLAGE, "reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("rule", {"to": VILLAGE, **REASON, "route_place": "长" * 201}, "route_place", e.PLACE_MAX),
    ("correct", {"changes": {"title": "长" * 201}, **REASON}, "changes.title", e.TITLE_MAX),
    ("notes", {"text": "长" * 4001}, "text", e.TEXT_MAX),
    ("mediations", {**SESSION, "summary": "长" * 4001}, "summary", e.TEXT_MAX),
    ("mediations", {**SESSION, "mediators": ["n"] * 21}, "mediators", e.MEDIATORS_MAX),
    ("mediations", {**SESSION, "outcome": "长" * 201}, "outcome", e.SHORT_TEXT_MAX),
    ("agree", {"agreement": "长" * 4001}, "agreement", e.TEXT_MAX),
    ("mediations", {**SESSION, "participants": ["n"] * 31}, "participants", e.PARTICIPANTS_MAX),
    ("agree", {"agreement": "a", "terms": [{"text": "t"}] * 21}, "terms", e.TERMS_MAX),
    ("agree", {"agreement": "a", "terms": [{"text": "长" * 201}]}, "terms.0.text", e.SHORT_TEXT_MAX),
    ("fulfilments", {**ACTS["fulfilments"], "term": 21}, "term", e.TERMS_MAX),
    ("follow-ups", {**ACTS["follow-ups"], "danger": "长" * 201}, "danger", e.SHORT_TEXT_MAX),
    ("fail", {"reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("refer", {"to": "长" * 201, **REASON}, "to", e.SHORT_TEXT_MAX),
    ("follow-ups", {**ACTS["follow-ups"], "note": "长" * 1501}, "note", e.REQUEST_TEXT_MAX),
    ("assign", {"to": VILLAGE, **FOUR, "instructions": "长" * 4001}, "instructions", e.TEXT_MAX),
    ("assign", {"to": VILLAGE, **FOUR, "lead": "长" * 101}, "lead", e.NAME_MAX),
    ("assign", {"to": VILLAGE, **FOUR, "working_days": 367}, "working_days", 366),
    ("assign", {"to": VILLAGE, **FOUR, "working_days": 0}, "working_days", 1),
    ("extend", {**ACTS["extend"], "consented": ["n"] * 31}, "consented", e.PARTIES_MAX),
    ("extend", {**ACTS["extend"], "working_days": 367}, "working_days", 366),
    ("extend", {**ACTS["extend"], "reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("calls", {**ACTS["calls"], "stations": ["s"] * 21}, "stations", 20),
    ("calls", {**ACTS["calls"], "task": "长" * 4001}, "task", e.TEXT_MAX),
    ("calls/1/report", {"text": "长" * 4001}, "text", e.TEXT_MAX),
    ("urge", {"text": "长" * 1501}, "text", e.REQUEST_TEXT_MAX),
    ("urge/1/answer", {"text": "长" * 1501}, "text", e.REQUEST_TEXT_MAX),
    ("joint", {"partners": [OTHER_TOWN] * 21, **REASON}, "partners", e.PARTNERS_MAX),
    ("joint", {"partners": [OTHER_TOWN], **REASON, "members": [PARTY] * 31}, "members", e.MEMBERS_MAX),
    ("joint", {"partners": [OTHER_TOWN], "reason": "长" * 1001}, "reason", e.REASON_MAX),
    ("handoff", {"to": OTHER_TOWN, "reason": "长" * 1001}, "reason", e.REASON_MAX),
]


@pytest.mark.parametrize(("act", "given", "field", "limit"), LIMITS)
def test_what_is_too_long_or_too_much_is_refused_with_its_limit(
    scene: Scene, act: str, given: Json, field: str, limit: int
) -> None:
    path = f"/cases/{scene.town.registers()}/{act}" if act else "/cases"
    found = refused(scene.town, path, given)
    assert first_error(found)[0] == field
    assert found.document["errors"][0]["limit"] == limit
    assert str(limit) in first_error(found)[1]


def test_what_a_holder_may_write_may_be_too_long_for_a_request(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    found = refused(scene.village, f"/cases/{case}/notes", {"text": "长" * 1501})
    assert first_error(found)[0] == "text"
    assert found.document["errors"][0]["limit"] == e.REQUEST_TEXT_MAX


def test_all_texts_of_one_entry_together_have_a_limit(scene: Scene) -> None:
    parties = [{"name": "𠮷" * 100, "address": "𠮷" * 200}] * 30
    found = refused(scene.village, "/cases", {**MATTER, "parties": parties})
    assert (found.status, found.type) == (422, "too-large")
    assert "32 KB" in found.document["detail"]
    case = scene.village.registers()
    change = {"changes": {"parties": parties}, **REASON}
    assert refused(scene.village, f"/cases/{case}/correct", change).type == "too-large"


@pytest.mark.parametrize("letter", ['"', "\x01"], ids=["doubled when quoted", "six bytes in JSON"])
def test_texts_at_their_limits_are_taken_and_travel(scene: Scene, letter: str) -> None:
    """Also of the characters that take most room, quoted twice and sealed."""
    case = scene.village.registers(title=letter * 200, description=letter * 4000, grade="high")
    scene.village.does(case, "notes", text=letter * 4000)
    scene.village.does(case, "escalate", reason=letter * 1000)
    scene.settle()
    scene.village.asks(case, "notes", text=letter * 1500)
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason=letter * 1000)
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    assert scene.other_town.kinds(case)[-1] == "delivered"
    assert scene.other_town.case(case)["log"] == scene.village.case(case)["log"]


# --- times -----------------------------------------------------------------------------------------

INSTANTS: list[tuple[str, Json, str]] = [
    ("", MATTER, "occurred_at"),
    ("correct", {"changes": {}, **REASON}, "changes.occurred_at"),
    ("mediations", SESSION, "held_at"),
    ("follow-ups", ACTS["follow-ups"], "held_at"),
    ("assign", {"to": VILLAGE, **WITHOUT_DEADLINE}, "deadline"),
    ("extend", {"consented": ["张三"], **REASON}, "deadline"),
    ("calls", {"stations": ["s1"], "task": "t"}, "report_by"),
    ("urge", {"text": "t"}, "reply_by"),
]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:00:00",
        "2026-03-02",
        "tomorrow",
        "2026-13-41T99:00:00+08:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "",
    ],
)
@pytest.mark.parametrize(("act", "given", "field"), INSTANTS)
def test_a_time_without_zone_or_that_does_not_exist_is_refused(
    scene: Scene, act: str, given: Json, field: str, text: str
) -> None:
    outer, _, inner = field.rpartition(".")
    given = {**given, outer: {inner: text}} if outer else {**given, field: text}
    path = f"/cases/{scene.town.registers()}/{act}" if act else "/cases"
    message = "Give date and time with time zone, such as 2026-03-01T09:00:00+08:00."
    assert first_error(refused(scene.town, path, given)) == (field, message)


def test_a_day_that_does_not_exist_is_refused(scene: Scene) -> None:
    case = scene.village.registers()
    found = refused(scene.village, f"/cases/{case}/agree", {"agreement": "a", "due_on": "2026-02-30"})
    assert first_error(found) == ("due_on", "Give a date such as 2026-03-01.")


def test_a_deadline_lies_ahead(scene: Scene) -> None:
    case = scene.town.registers()
    past = (scene.fed.clock.now() - timedelta(seconds=1)).isoformat()
    found = refused(scene.town, f"/cases/{case}/assign", {"to": VILLAGE, **WITHOUT_DEADLINE, "deadline": past})
    assert (found.status, found.type, found.document["field"]) == (422, "invalid", "deadline")
    assert found.document["detail"] == "The deadline has passed already."


@pytest.mark.parametrize("both", [True, False])
def test_an_assignment_has_a_deadline_or_working_days_and_not_both(scene: Scene, both: bool) -> None:
    case = scene.town.registers()
    until = (scene.fed.clock.now() + timedelta(days=3)).isoformat()
    given = {"to": VILLAGE, **FOUR, "deadline": until} if both else {"to": VILLAGE, **WITHOUT_DEADLINE}
    found = refused(scene.town, f"/cases/{case}/assign", given)
    assert (found.status, found.document["field"]) == (422, "deadline")
    assert found.document["detail"] == "Give either a deadline or working days."


# --- centers and cases -----------------------------------------------------------------------------

UNKNOWN = "532923999000"


@pytest.mark.parametrize(
    ("act", "given", "detail"),
    [
        ("assign", {"to": UNKNOWN, **FOUR}, f"{UNKNOWN} is no child of this center."),
        ("assign", {"to": OTHER_TOWN, **FOUR}, f"{OTHER_TOWN} is no child of this center."),
        ("assign", {"to": FAR_VILLAGE, **FOUR}, f"{FAR_VILLAGE} is no child of this center."),
        ("assign", {"to": COUNTY, **FOUR}, f"{COUNTY} is no child of this center."),
        ("assign", {"to": TOWN, **FOUR}, "A case can't be given to the center that holds it."),
        ("joint", {"partners": [TOWN], **REASON}, "A case can't be given to the center that holds it."),
        ("joint", {"partners": [OTHER_TOWN, UNKNOWN], **REASON}, f"There is no center {UNKNOWN} in this federation."),
        ("handoff", {"to": TOWN, **REASON}, "A case can't be given to the center that holds it."),
        ("handoff", {"to": UNKNOWN, **REASON}, f"There is no center {UNKNOWN} in this federation."),
        (
            "handoff",
            {"to": VILLAGE, **REASON},
            f"{VILLAGE} is no peer: only a center of the same level can take a case over.",
        ),
    ],
)
def test_a_center_that_the_case_cannot_go_to_is_refused(scene: Scene, act: str, given: Json, detail: str) -> None:
    found = refused(scene.town, f"/cases/{scene.town.registers()}/{act}", given)
    assert (found.status, found.type, found.document["detail"]) == (422, "invalid", detail)


@pytest.mark.parametrize(
    "code", ["", "12", "5329231020000", "53292310200x", "５３２９２３１０２０００", 532923102000, None]
)
def test_a_center_code_has_twelve_digits(scene: Scene, code: object) -> None:
    case = scene.town.registers()
    for act, given, field in (
        ("assign", {"to": code, **FOUR}, "to"),
        ("joint", {"partners": [code], **REASON}, "partners.0"),
        ("handoff", {"to": code, **REASON}, "to"),
    ):
        assert first_error(refused(scene.town, f"/cases/{case}/{act}", given))[0] == field


@pytest.mark.parametrize("act", sorted(ACTS))
def test_a_case_that_this_center_does_not_know_is_answered_404_to_every_act(scene: Scene, act: str) -> None:
    for case in ("0b8f0f8e-5a53-4a07-9d0e-0a6f4a7b5f11", scene.far_village.registers()):
        found = refused(scene.town, f"/cases/{case}/{act}", ACTS[act])
        assert (found.status, found.type) == (404, "not-found")


@pytest.mark.parametrize("case", ["%00", "a%00b", "%ED%A0%80", "%F0%9F%98%80", "%E2%80%AE", "a" * 65, "..", "%27--"])
def test_an_id_that_is_none_is_an_error_of_its_own(each_scene: Scene, case: str) -> None:
    desk = each_scene.village
    for method, path in (("GET", f"/cases/{case}"), ("POST", f"/cases/{case}/accept")):
        answer = desk.request(method, path)
        assert refusal(answer).status in {404, 405, 422}, answer.text


# --- the wrong moment, the wrong person ------------------------------------------------------------


STILL_POSSIBLE = {"notes", "correct", "follow-ups", "reopen"}
BY_OTHERS = {
    "recall",
    "urge",
    "view",
    "joint/accept",
    "joint/decline",
    "joint/countersign",
    "joint/lead",
    "rule",
    "subsidy/judge",
} | {
    "handoff/accept",
    "handoff/decline",
}
OTHERWISE = {
    "urge/1/answer": "no-such-urge",
    "extend": "no-deadline",
    "fulfilments": "stale-agreement",
    "merge": "invalid",
    "subsidy": "no-subsidy",
    "calls/1/report": "no-such-call",
    **dict.fromkeys(BY_OTHERS, "holder-cannot-ask"),
}


@pytest.fixture(scope="module")
def closed_case(sqlite_scene: Scene) -> str:
    """A closed case, for tests that leave it as it is."""
    return closed(sqlite_scene.town)


@pytest.mark.parametrize("act", sorted(set(ACTS) - STILL_POSSIBLE))
def test_a_closed_case_is_only_noted_corrected_visited_or_reopened(scene: Scene, closed_case: str, act: str) -> None:
    found = refused(scene.town, f"/cases/{closed_case}/{act}", ACTS[act])
    expected = OTHERWISE.get(act, "wrong-status")
    assert (found.status, found.type) == (422 if expected == "invalid" else 409, expected)


@pytest.mark.parametrize("act", sorted(STILL_POSSIBLE))
def test_a_closed_case_can_still_be(scene: Scene, act: str) -> None:
    scene.town.does(closed(scene.town), act, **ACTS[act])


def closed(desk: Desk) -> str:
    case = desk.registers()
    desk.does(case, "accept")
    desk.does(case, "mediations", **SESSION)
    desk.does(case, "agree", agreement="a")
    desk.does(case, "close")
    return case


def test_a_refusal_by_the_status_names_it(scene: Scene) -> None:
    case = closed(scene.village)
    found = refused(scene.village, f"/cases/{case}/escalate", {"reason": "-", "triggers": ["danger_to_life"]})
    assert (found.type, found.document["case_status"]) == ("wrong-status", "closed")
    assert found.document["detail"] == "The case is Closed; this can't be done now."


@pytest.mark.parametrize("amount", ["-1", "1.001", "a", 10**12, True, [1]])
def test_an_amount_is_yuan_with_two_decimals(scene: Scene, amount: object) -> None:
    given = {"agreement": "a", "terms": [{"text": "t", "amount": amount}]}
    assert first_error(refused(scene.town, f"/cases/{scene.town.registers()}/agree", given))[0] == "terms.0.amount"


@pytest.mark.parametrize("act", ["mediations", "agree", "fail", "close", "follow-ups", "reopen"])
def test_what_a_registered_case_is_not_ready_for_is_refused(scene: Scene, act: str) -> None:
    found = refused(scene.village, f"/cases/{scene.village.registers()}/{act}", ACTS[act])
    assert (found.status, found.type, found.document["case_status"]) == (409, "wrong-status", "registered")


MAY_NOT: dict[Role, list[str]] = {
    Role.monitor: ["register", "read", *ACTS],
    Role.admin: ["register", "read", *ACTS],
    Role.department: ["register", "read", *(act for act in ACTS if act != "calls/1/report")],
    Role.clerk: [
        *("grade", "correct", "mediations", "agree", "fail", "withdraw", "refer", "assign", "return"),
        *("extend", "merge", "rule", "subsidy/judge"),
        *("urge", "view", "joint", "joint/accept", "joint/lead", "handoff", "handoff/accept", "reopen"),
    ],
    Role.mediator: [
        *(
            "register",
            "grade",
            "correct",
            "withdraw",
            "merge",
            "rule",
            "extend",
            "subsidy",
            "subsidy/judge",
            "calls",
            "refer",
            "close",
            "escalate",
            "return",
            "recall",
            "assign",
        ),
        *("urge", "view", "joint", "joint/accept", "joint/lead", "handoff", "handoff/accept", "reopen"),
    ],
}
"""What DESIGN section 8 does not give these roles."""


@pytest.mark.parametrize("role", sorted(MAY_NOT))
def test_a_role_that_may_never_do_this_is_refused(scene: Scene, role: Role) -> None:
    case = scene.town.registers()
    for act in MAY_NOT[role]:
        if act == "read":
            for path in ("/cases", f"/cases/{case}"):
                assert refused(scene.town, path, method="GET", role=role).status == 403
            continue
        path = "/cases" if act == "register" else f"/cases/{case}/{act}"
        found = refused(scene.town, path, MATTER if act == "register" else ACTS[act], role=role)
        assert (found.status, found.type) == (403, "forbidden"), act
        assert role.value not in found.document["roles"]
        assert "director" in found.document["roles"]


def test_a_role_is_looked_at_before_the_case(scene: Scene) -> None:
    """Otherwise somebody could find out which cases exist."""
    for case in (scene.town.registers(), "no-such-case"):
        assert scene.town.refused(case, "accept", role=Role.monitor).status == 403


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nonsense", "Bearer ld_nonsense", "Basic YTpi", "Bearer \u00e9"]
)
def test_without_a_good_token_nothing_is_said_or_done(scene: Scene, authorization: str) -> None:
    case = scene.village.registers()
    headers = {"Authorization": authorization}
    for method, path, given in (
        ("GET", "/cases", None),
        ("GET", f"/cases/{case}", None),
        ("POST", "/cases", MATTER),
        ("POST", f"/cases/{case}/accept", {}),
        ("POST", "/cases/no-such-case/accept", {"wrong": "field"}),
    ):
        before = traces(scene.village)
        answer = scene.village.anonymous(method, path, given=given, headers=headers)
        found = refusal(answer)
        assert (found.status, found.type) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert traces(scene.village) == before


def test_a_token_that_has_expired_is_no_good(scene: Scene) -> None:
    signed_in = scene.village.anonymous(
        "POST", "/login", given={"username": Role.director.value, "password": scene.village.password}
    )
    headers = {"Authorization": f"Bearer {signed_in.json()['token']}"}
    assert scene.village.anonymous("GET", "/cases", headers=headers).status_code == 200
    scene.fed.clock.advance(timedelta(hours=13))
    assert refusal(scene.village.anonymous("GET", "/cases", headers=headers)).status == 401


@pytest.mark.parametrize(("method", "path"), [("PUT", "/cases"), ("DELETE", "/cases/x"), ("GET", "/cases/x/accept")])
def test_a_method_that_an_address_does_not_have_is_refused(scene: Scene, method: str, path: str) -> None:
    found = refused(scene.village, path, method=method)
    assert found.status in {404, 405}


# --- characters ------------------------------------------------------------------------------------

STRANGE = {
    "exotic": "𠮷😀\u202e甲\u202c\u2066乙\u2069\u200b\ufeffe\u0301\uffff",
    "hostile": "甲\x00乙\x01\x1b[31m\x7f<b>&amp;'\"</b>",
}
"""Four bytes, both directions, no width, combining, no character at all; NUL, controls, markup."""

FREE = {"title", "place", "name", "phone", "address", "description", "reason", "text", "summary", "outcome"} | {
    "agreement",
    "lead",
    "department",
    "handler",
    "instructions",
    "mediators",
    "note",
    "method",
    "participants",
    "judged_by",
    "departments",
    "danger",
    "by",
}
"""Fields of free text."""


def strangely(given: Json, strange: str) -> Json:
    """The same input with strange characters in every free text."""
    return {name: _strangely(name, value, strange) for name, value in given.items()}


def _strangely(name: str, value: object, strange: str) -> object:
    if isinstance(value, dict):
        return strangely(value, strange)
    if isinstance(value, list):
        return [_strangely(name, inner, strange) for inner in value]
    return strange if name in FREE else value


FULL_MATTER: Json = {
    "title": "t",
    "category": "other",
    "place": "p",
    "description": "d",
    "parties": [{"name": "n", "phone": "1", "address": "a"}],
}

ONE_AFTER_THE_OTHER: list[tuple[str, Json]] = [
    ("notes", {"text": "t"}),
    ("grade", {"grade": "high", "reason": "r", "judged_by": ["j"], "departments": ["d"]}),
    ("correct", {"changes": FULL_MATTER, "reason": "r"}),
    ("accept", {}),
    ("mediations", {**SESSION, "outcome": "o", "participants": ["p"]}),
    ("agree", {"agreement": "a", "terms": [{"text": "t", "by": "b"}]}),
    ("follow-ups", {**ACTS["follow-ups"], "note": "n", "danger": "d"}),
    ("fail", {"reason": "r"}),
    ("escalate", {"reason": "r"}),
]


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_strange_characters_are_kept_as_typed_in_every_text_and_travel(each_scene: Scene, strange: str) -> None:
    village, town, other_town = each_scene.village, each_scene.town, each_scene.other_town
    case = village.registers(**strangely(FULL_MATTER, strange))
    for act, given in ONE_AFTER_THE_OTHER:
        village.does(case, act, **strangely(given, strange))
    each_scene.settle()
    log = town.case(case)["log"]
    assert log == village.case(case)["log"]
    for entry, (_, given) in zip(log[1:], ONE_AFTER_THE_OTHER, strict=False):
        assert strangely(entry["data"], strange) == entry["data"]
        assert strangely(given, strange).keys() <= entry["data"].keys() | {"text"}
    assert log[0]["data"]["parties"] == [{"name": strange, "role": "other", "phone": strange, "address": strange}]

    asked = village.asks(case, "notes", text=strange)
    town.does(case, "assign", **strangely({"to": OTHER_VILLAGE, **FOUR, "instructions": "i"}, strange))
    each_scene.settle()
    assert village.answer_to(case, asked) == ("granted", None)
    each_scene.other_village.does(case, "return", reason=strange)
    each_scene.settle()
    members = [{"name": strange, "role": strange}]
    town.does(case, "joint", partners=[OTHER_TOWN], reason=strange, members=members)
    each_scene.settle()
    assert other_town.case(case)["invitation"]["reason"] == strange
    other_town.asks(case, "joint/accept", members=members)
    each_scene.settle()
    town.does(case, "refer", to=strange, reason=strange)
    each_scene.settle()
    document = other_town.case(case)
    assert document["log"] == town.case(case)["log"]
    assert document["log"][-1]["data"] == {"to": strange, "reason": strange}
    assert [member["name"] for member in document["joint"]["members"]] == [strange] * 2
    assert document["title"] == strange.replace("\x00", ""), "PostgreSQL keeps no NUL in what lists show"


@pytest.mark.parametrize("half", ["\\ud800", "\\udc00", "x\\udfff"])
def test_half_a_character_is_none(each_scene: Scene, half: str) -> None:
    desk = each_scene.village
    case = desk.registers()
    headers = {"Content-Type": "application/json"}
    matter = json.dumps(MATTER).replace("\\u6392\\u6c34\\u6c9f", half)
    assert half in matter
    for path, content, field in (
        ("/cases", matter, "title"),
        (f"/cases/{case}/notes", f'{{"text": "{half}"}}', "text"),
        (f"/cases/{case}/withdraw", f'{{"reason": "{half}"}}', "reason"),
    ):
        found = refused(desk, path, content=content.encode(), headers=headers)
        assert first_error(found) == (field, "This text has characters that don't exist.")


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_strange_characters_in_a_search_find_what_has_them(each_scene: Scene, strange: str) -> None:
    desk = each_scene.village
    case = desk.registers(title=f"寻{strange}找")
    assert case in {item["id"] for item in desk.get("/cases", q=f"寻{strange}找")["items"]}


def test_numbers_beyond_all_bounds_are_numbers_that_nothing_has(each_scene: Scene) -> None:
    desk = each_scene.village
    case = desk.registers()
    huge = 10**40
    calls: list[tuple[str, Json, Callable[[Refusal], bool]]] = [
        (f"/cases/{case}/accept", {"epoch": 2**31 - 1}, lambda found: found.type == "stale-epoch"),
        (f"/cases/{case}/accept", {"epoch": huge}, lambda found: found.status == 422),
        (f"/cases/{case}/urge/{huge}/answer", {"text": "t"}, lambda found: found.status in {409, 422}),
        (f"/cases/{case}/joint/countersign", {"agreement_seq": huge}, lambda found: found.status in {409, 422}),
        (f"/cases/{case}/accept", {"epoch": 0}, lambda found: found.status == 422),
        (f"/cases/{case}/accept", {"epoch": 1.5}, lambda found: found.status == 422),
        (f"/cases/{case}/urge/0/answer", {"text": "t"}, lambda found: found.status == 422),
        (f"/cases/{case}/urge/x/answer", {"text": "t"}, lambda found: found.status == 422),
    ]
    for path, given, expected in calls:
        found = refused(desk, path, given)
        assert expected(found), (path, found)
    above = each_scene.town.registers()
    each_scene.town.does(above, "assign", to=VILLAGE, **FOUR)
    each_scene.settle()
    for act, given in ((f"urge/{huge}/answer", {"text": "t"}), ("joint/countersign", {"agreement_seq": huge})):
        assert each_scene.town.post(f"/cases/{above}/{act}", given).status_code in {202, 422}
    each_scene.settle()
