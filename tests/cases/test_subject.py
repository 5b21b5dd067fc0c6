"""A person gets what is held of them, case by case; and nothing of anybody stands in logs, metrics or the audit log."""

import json

from sqlalchemy import select
from structlog.testing import capture_logs

from node.accounts.roles import Role
from node.audit.tables import AuditRow
from tests.cases.scene import COUNTY, OTHER_TOWN, SESSION, TOWN, VILLAGE, Scene

NAME, PHONE, OTHER, WORDS = "柯纳蕊", "13900004711", "齐金雀", "沉默的金丝雀"
CANARIES = (NAME, PHONE, OTHER, WORDS)


def test_a_person_gets_what_is_held_of_them_and_nothing_of_the_others(scene: Scene) -> None:
    village = scene.village
    parties = [{"name": NAME, "phone": PHONE, "role": "applicant"}, {"name": OTHER, "role": "respondent"}]
    case = village.registers(parties=parties)
    village.does(case, "accept")
    village.does(case, "notes", text=f"{NAME}说过的话")
    corrected = [{"name": NAME, "phone": "13900004712", "role": "applicant"}, parties[1]]
    village.does(case, "correct", changes={"parties": corrected}, reason="号码错了")
    village.does(case, "escalate", reason="群体", triggers=["group_incident"])
    scene.settle()
    record = village.get(f"/cases/{case}/parties/0/record")
    assert record["party"]["phone"] == "13900004712"
    assert [version["party"]["phone"] for version in record["versions"]] == [PHONE, "13900004712"]
    assert [entry["kind"] for entry in record["named_in"]] == ["registered", "noted", "corrected"]
    assert record["shared_with"] == [TOWN, VILLAGE]
    assert OTHER not in json.dumps(record, ensure_ascii=False)
    again = village.get(f"/cases/{case}/parties/0/record")
    assert "subject_told" in [look["event"] for look in again["looks"]]
    for number in (2, -1):
        assert village.request("GET", f"/cases/{case}/parties/{number}/record").status_code == 404
    assert scene.county.request("GET", f"/cases/{case}/parties/0/record").status_code == 404


def act_with_canaries(scene: Scene) -> None:
    """Do what is done to a case, with the canaries wherever something may be written."""
    village, town = scene.village, scene.town
    parties = [{"name": NAME, "phone": PHONE}, {"name": OTHER}]
    case = village.registers(title=WORDS, parties=parties, description=WORDS, grade="medium")
    village.refused(case, "escalate", reason=WORDS)
    village.refused(case, "close", role=Role.clerk)
    village.does(case, "grade", grade="high", reason=WORDS)
    village.does(case, "accept")
    village.does(case, "notes", text=WORDS)
    village.does(case, "mediations", **{**SESSION, "summary": f"{NAME}{WORDS}"})
    village.does(case, "escalate", reason=WORDS, triggers=["group_incident"])
    scene.settle()
    town.does(case, "accept")
    town.does(case, "joint", partners=[OTHER_TOWN], reason=WORDS, members=[{"name": NAME, "role": "组长"}])
    scene.settle()
    scene[OTHER_TOWN].asks(case, "joint/decline", reason=WORDS)
    scene.county.asks(case, "view", reason=WORDS)
    scene.settle()
    scene.county.case(case)
    village.post("/cases", {"title": WORDS, "grade": NAME, "parties": PHONE})
    town.request("POST", f"/cases/{case}/agree", given={"agreement": {"x": WORDS}})
    town.request("GET", f"/cases?q={NAME}&limit=nothing")
    town.does(case, "withdraw", reason=WORDS)
    scene.settle()


def test_no_word_of_anybody_gets_into_logs_metrics_or_the_audit_log(scene: Scene) -> None:
    with capture_logs() as logged:
        act_with_canaries(scene)
    assert logged, "nothing was logged at all"
    for desk in scene:
        told_here = [*map(str, logged), desk.request("GET", "/metrics", role=Role.admin).text]
        with desk.member.read() as session:
            rows = session.execute(select(AuditRow.actor, AuditRow.subject, AuditRow.detail, AuditRow.event))
            told_here += [f"{row}" for row in rows]
        for canary in CANARIES:
            assert not [text for text in told_here if canary in text], f"{canary} at {desk.code}"
    assert COUNTY in [desk.code for desk in scene]
