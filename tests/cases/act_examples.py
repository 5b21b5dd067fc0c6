"""One good input for every act of the API, for tests that try all of them."""

from collections.abc import Mapping

from tests.cases.scene import FOUR, OTHER_TOWN, SESSION, VILLAGE, Json

_REASON: Json = {"reason": "试一试"}
_VISIT: Json = {"held_at": "2026-03-03T09:00:00+08:00", "method": "电话"}
_INQUIRY: Json = {
    **{name: SESSION[name] for name in ("held_at", "place")},
    "inquirers": ["王"],
    "asked": "张",
    "text": "-",
}

EXAMPLES: Mapping[str, Json] = {
    "accept": {},
    "grade": {**_REASON, "grade": "medium"},
    "correct": {**_REASON, "changes": {"title": "另一个标题"}},
    "notes": {"text": "试一试"},
    "mediations": SESSION,
    "agree": {"agreement": "各让一步"},
    "fulfilments": {"agreement_seq": 1, "term": 1, "on": "2026-03-03"},
    "inquiries": _INQUIRY,
    "filings": {"parts": ["application"]},
    "archive": {"retention": "long"},
    "attachments": {},
    "fail": _REASON,
    "withdraw": _REASON,
    "refer": {**_REASON, "to": "法院"},
    "close": {},
    "merge": {"into": "no-such-case"},
    "subsidy": {"mediators": ["王"]},
    "subsidy/judge": {"approved": True},
    "reopen": _REASON,
    "follow-ups": _VISIT,
    "escalate": _REASON,
    "return": _REASON,
    "recall": _REASON,
    "assign": {**FOUR, "to": VILLAGE},
    "extend": {**_REASON, "working_days": 3, "consented": ["张三"]},
    "calls": {"stations": ["none"], "task": "到场", "report_by": "2099-01-01T00:00:00+08:00"},
    "calls/1/report": {"text": "到了"},
    "urge": {"text": "快"},
    "urge/1/answer": {"text": "好"},
    "view": _REASON,
    "joint": {**_REASON, "partners": [OTHER_TOWN]},
    "joint/accept": {},
    "joint/decline": _REASON,
    "joint/entries": {"text": "试一试"},
    "joint/countersign": {"agreement_seq": 1},
    "joint/lead": {**_REASON, "to": OTHER_TOWN},
    "rule": {**_REASON, "to": VILLAGE},
    "handoff": {**_REASON, "to": OTHER_TOWN},
    "handoff/accept": {},
    "handoff/decline": _REASON,
}
