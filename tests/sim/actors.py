"""People: clerks, dispatchers, directors of all centers, who do what the pages let them do, at random.

They act through ``node.cases.acts.perform`` and ``node.cases.service.register``, as the API does. Mostly they do what
makes sense in the state that they see; now and then anything at all, which the service refuses.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from node.cases import inputs, service
from node.cases.acts import AnswerInput, ReportInput, perform
from node.cases.api import ACT_ROUTES
from node.cases.tables import StationRow
from node.center import Center
from node.db import DatabaseUnavailable
from node.problems import Problem
from node.unit import unit_of
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, Grade, Part, PartyRole, Retention, Trigger
from tests.sim.loop import Crash

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

INPUTS: dict[str, type[inputs.Input]] = {
    **{route.path: route.given for route in ACT_ROUTES},
    "urge/answer": AnswerInput,
    "calls/report": ReportInput,
}
Given = dict[str, Any]
FILED = [Part.NOTICE, Part.IDENTITY, Part.EVIDENCE, Part.MEDIATION]
"""Parts of a dossier that people file; the last one is printed instead, hence refused."""
HELD_AT = "2026-03-02T09:00:00+08:00"


@dataclass(frozen=True)
class Sight:
    """A case as somebody at a center sees it."""

    id: str
    holder: str | None
    status: str
    epoch: int
    returns: int
    subsidy: dict[str, Any]
    state: dict[str, Any]
    invitation: dict[str, Any]


class Actors:
    """All people of a world."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._until = 0.0
        self._rate = 1.0
        self._serial = 0
        self._taste = {act: random.choice([0.2, 1.0, 1.0, 4.0]) for act in INPUTS}
        self._registering = random.choice(world.profile.registering)
        self.done = 0
        self.refused = 0
        self.unsaved = 0

    def begin(self, length: float) -> None:
        """Work for so many virtual seconds."""
        self._until = length
        self._rate = self._random.uniform(*self._world.profile.acts)
        self._next()

    def _next(self) -> None:
        delay = self._random.expovariate(self._rate)
        if self._world.loop.time() + delay < self._until:
            self._world.loop.call_later(delay, self._act)

    def _act(self) -> None:
        self._next()
        machine = self._random.choice([*self._world.machines.values(), *self._world.twins])
        if not machine.running:
            return
        sight = self._look(machine)
        if sight is None or self._random.random() < self._registering:
            self._try(machine, "register", self._register)
            return
        act, given = self._choose(machine, sight)
        if self._random.random() < 0.5:
            given["epoch"] = sight.epoch
        thinks = self._random.uniform(0.0, 4.0) if self._random.random() < 0.4 else 0.0
        self._world.loop.call_later(thinks, self._do, machine, sight, act, given)

    def give(self, machine: "Machine", case_id: str, to: str) -> None:
        """Give a case that a center holds to its parent or to one of its children."""
        sight = self._sight(machine, case_id)
        act = "escalate" if machine.parent == to else "assign"
        self._do(machine, sight, act, {**self._given(machine, sight, act), **({"to": to} if act == "assign" else {})})

    def _do(self, machine: "Machine", sight: Sight, act: str, given: Given) -> None:
        """Send the form; meanwhile the case may have moved."""
        work = lambda center: self._perform(machine, center, sight, act, given)  # noqa: E731
        self._try(machine, f"{act} {sight.id[:8]}", work)

    def _perform(self, machine: "Machine", center: Center, sight: Sight, act: str, given: Given) -> None:
        document = INPUTS[act].model_validate(given)
        with unit_of(center) as unit:
            found = machine.disk.raw.execute("SELECT epoch FROM cases WHERE id = ?", (sight.id,)).fetchone()
            done = perform(unit, sight.id, act, document, "李调解员")
            if isinstance(done, CaseState) and given.get("epoch", found[0]) != found[0]:
                self._world.fail(f"{machine.code}: {act} meant epoch {given['epoch']}, done in epoch {found[0]}")

    def _try(self, machine: "Machine", what: str, work: Callable[[Center], object]) -> None:
        self.attempt(machine, what, lambda: machine.act(work))

    def attempt(self, machine: "Machine", what: str, work: Callable[[], object]) -> None:
        """Do something, if anybody is there to do it; refusals and full disks are part of life."""
        trace = self._world.trace
        if not machine.running:
            return
        try:
            work()
        except Crash:
            return
        except (Problem, ValidationError) as refused:
            self.refused += 1
            trace.note(machine.name, "refused", f"{what}: {getattr(refused, 'type', 'invalid')}")
        except DatabaseUnavailable as error:
            self.unsaved += 1
            trace.note(machine.name, "not saved", f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 - a person would see an error page
            self._world.fail(f"{machine.code}: {what} raised {error!r}")
        else:
            self.done += 1
            trace.note(machine.name, "act", what)

    def _look(self, machine: "Machine") -> Sight | None:
        """A random case that this center knows."""
        ids = machine.disk.raw.execute("SELECT id FROM cases ORDER BY id").fetchall()
        if not ids:
            return None
        (case_id,) = self._random.choice(ids)
        return self._sight(machine, case_id)

    @staticmethod
    def _sight(machine: "Machine", case_id: str) -> Sight:
        holder, status, epoch, returns, *documents = machine.disk.raw.execute(
            "SELECT holder, status, epoch, returns, subsidy, text_of('cases.state', state), "
            "text_of('cases.invitation', invitation) FROM cases WHERE id = ?",
            (case_id,),
        ).fetchone()
        return Sight(case_id, holder, status, epoch, returns, *(json.loads(each or "{}") for each in documents))

    # --- what people do ----------------------------------------------------------------------------

    def _register(self, center: Center) -> None:
        self._serial += 1
        random = self._random
        registration = service.Registration(
            title=f"纠纷 {self._serial}",
            category=random.choice(list(Category)),
            place="三组",
            parties=(e.Party(name=canary(self._world.seed, self._serial), role=PartyRole.APPLICANT),),
            description=_text(random) if random.random() < 0.9 else None,
            grade=random.choice([Grade.LOW, Grade.LOW, Grade.MEDIUM, Grade.HIGH]),
        )
        with unit_of(center) as unit:
            if unit.session.get(StationRow, "s1") is None:
                station = {"id": "s1", "kind": "station", "name": "林业站", "weekdays": "1234567", "active": True}
                unit.session.add(StationRow(**station))
            case_id = service.register(unit, registration, "杨秀英").id
        self._world.oracle.acknowledged(center.code, case_id)

    def _choose(self, machine: "Machine", sight: Sight) -> tuple[str, Given]:
        if self._random.random() < 0.06:
            act = self._random.choice(list(INPUTS))
        elif sight.holder == machine.code:
            act = self._as_holder(machine, sight)
        else:
            act = self._as_other(machine, sight)
        return act, self._given(machine, sight, act)

    def _as_holder(self, machine: "Machine", sight: Sight) -> str:
        state = sight.state
        custody = state["custody"]
        ended = sight.status in {"closed", "withdrawn", "referred", "merged"}
        weights = {"notes": 1.0, "correct": 0.4, "grade": 0.0 if ended else 0.6}
        if ended:
            weights |= {"reopen": 1.0, "follow-ups": 1.0, "archive": 0.7}
            weights["subsidy"] = 2.0 if sight.status == "closed" and sight.subsidy.get("state") != "claimed" else 0.0
        else:
            moving = self._world.profile.moving
            weights |= {"escalate": 2.5 * moving, "withdraw": 0.15, "refer": 0.15, "merge": 0.2}
            weights["joint"] = self._world.profile.joint
            weights |= {"inquiries": 0.3, "calls": 0.7, "calls/report": 1.5 if state.get("calls") else 0.0}
            weights["accept"] = 4.0 if custody.get("accepted_by") is None else 0.0
            weights["assign"] = 3.0 * moving if self._world.has_children(machine.code) else 0.0
            weights["return"] = 1.5 * moving if custody.get("stack") else 0.0
            weights["handoff"] = 1.0 * moving
            weights["extend"] = 1.0 if custody.get("deadline") else 0.0
            if custody.get("accepted_by") is not None:
                weights["mediations"] = 3.0 if sight.status in {"accepted", "mediating", "failed"} else 0.0
                weights |= {"agree": 2.0, "fail": 1.0} if sight.status == "mediating" else {}
                weights |= {"close": 2.0} if sight.status in {"agreed", "failed"} else {}
        if any(not urge.get("answered") for urge in state.get("urges", {}).values()):
            weights["urge/answer"] = 2.0
        if sight.status in {"agreed", "closed"}:
            weights |= {"fulfilments": 0.7, "filings": 0.7}
        if state.get("partners"):
            weights["joint/entries"] = 1.0
        return self._weighted(weights)

    def _as_other(self, machine: "Machine", sight: Sight) -> str:
        state, custody = sight.state, sight.state.get("custody", {})
        weights = {"notes": 0.7, "urge": 0.7, "view": 0.5, "reopen": 0.2, "follow-ups": 0.3, "joint/lead": 0.4}
        weights["rule"] = 4.0 if sight.returns > 1 else 0.2
        weights["subsidy/judge"] = 3.0 if sight.subsidy.get("state") == "claimed" else 0.0
        if custody.get("last_sender") == machine.code:
            weights["recall"] = 4.0
        invited = sight.invitation.get("kind")
        if invited == "joint" or state.get("partners", {}).get(machine.code, {}).get("status") == "invited":
            weights |= {"joint/accept": 5.0, "joint/decline": 1.0}
        if invited == "handoff" or state.get("offer", {}).get("to") == machine.code:
            weights |= {"handoff/accept": 6.0, "handoff/decline": 1.0}
        if state.get("partners", {}).get(machine.code, {}).get("status") == "accepted":
            weights |= {"joint/entries": 1.5, "joint/countersign": 3.0 if sight.status == "agreed" else 0.0}
        if state.get("urges"):
            weights["urge/answer"] = 0.7
        return self._weighted(weights)

    def _weighted(self, weights: dict[str, float]) -> str:
        liked = [weight * self._taste[act] for act, weight in weights.items()]
        return self._random.choices(list(weights), liked)[0]

    def _given(self, machine: "Machine", sight: Sight, act: str) -> Given:
        """What the form of this act holds."""
        text = self._canary_of(sight)
        if act in _FORMS:
            return _FORMS[act](self._random, text, sight)
        world = self._world
        others = [code for code in world.machines if code != machine.code] or [machine.code]
        match act:
            case "assign":
                below = [each.code for each in world.machines.values() if each.parent == machine.code]
                four = {"lead": "赵主任", "department": "司法所", "handler": "钱调解员"}
                return {"to": self._random.choice(below or others), "working_days": self._random.randint(1, 10), **four}
            case "joint":
                partners = self._random.sample(others, min(len(others), self._random.randint(1, 2)))
                return {"partners": partners, "reason": "共同调处"}
            case "handoff":
                peers = [each.code for each in world.machines.values() if each.level == machine.level]
                return {"to": self._random.choice(peers), "reason": "移交"}
            case "merge":
                ids = machine.disk.raw.execute("SELECT id FROM cases ORDER BY id").fetchall()
                return {"into": self._random.choice(ids)[0]}
            case "rule":
                return {"to": self._random.choice(list(world.machines)), "reason": "裁定", "route_place": "三组"}
            case "joint/lead":
                return {"to": self._random.choice(list(sight.state.get("partners", {})) or others), "reason": "牵头"}
            case _:
                return {"reason": text}

    def _canary_of(self, sight: Sight) -> str:
        """The word that only those may ever hold who may read the case."""
        parties = sight.state.get("parties")
        return str(parties[0]["name"]) if parties else "无"


def _text(random: Random) -> str:
    """A short text, now and then a long one."""
    length = random.choice([5, 20, 20, 60, 60, 3000])
    return "".join(random.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张", k=length))


def _grade(random: Random, text: str, _sight: Sight) -> Given:
    triggers = random.sample(list(Trigger), random.randint(0, 2))
    return {"grade": random.choice(list(Grade)), "reason": text, "triggers": triggers, "judged_by": [text]}


def _correct(random: Random, text: str, _sight: Sight) -> Given:
    return {"changes": {"description": f"{text} {_text(random)}"}, "reason": text}


def _note(random: Random, text: str, _sight: Sight) -> Given:
    return {"text": f"{text} {_text(random)[:400]}"}


def _mediation(random: Random, text: str, _sight: Sight) -> Given:
    return {"held_at": HELD_AT, "place": "村委会", "mediators": ["王调解员"], "summary": f"{text} {_text(random)}"}


def _visit(random: Random, _text: str, _sight: Sight) -> Given:
    return {"held_at": HELD_AT, "method": "电话", "satisfied": random.random() < 0.7, "relapsed": random.random() < 0.2}


def _escalate(random: Random, text: str, _sight: Sight) -> Given:
    claimed = random.sample(list(Trigger), random.randint(1, 2)) if random.random() < 0.7 else []
    return {"reason": text, "triggers": claimed}


def _answer(random: Random, text: str, sight: Sight) -> Given:
    return {"text": text, "urge_seq": int(random.choice(list(sight.state.get("urges", {})) or ["1"]))}


def _nothing(_random: Random, _text: str, _sight: Sight) -> Given:
    return {}


Form = Callable[[Random, str, Sight], Given]

_FORMS: dict[str, Form] = {
    "grade": _grade,
    "correct": _correct,
    "notes": _note,
    "urge": _note,
    "joint/entries": _note,
    "mediations": _mediation,
    "agree": lambda _random, text, _sight: {"agreement": text, "terms": [{"text": text, "amount": "800"}]},
    "fulfilments": lambda _random, _text, sight: {
        "agreement_seq": sight.state.get("agreement_seq") or 1,
        "term": 1,
        "on": HELD_AT[:10],
    },
    "refer": lambda _random, text, _sight: {"to": "法院", "reason": text},
    "follow-ups": _visit,
    "escalate": _escalate,
    "urge/answer": _answer,
    "extend": lambda random, text, _sight: {"working_days": random.randint(1, 9), "consented": [text], "reason": text},
    "subsidy": lambda _random, text, _sight: {"mediators": [text]},
    "subsidy/judge": lambda random, _text, _sight: {"approved": random.random() < 0.7},
    "inquiries": lambda _random, text, _sight: {
        "held_at": HELD_AT,
        "place": "村委会",
        "inquirers": ["王调解员"],
        "asked": text,
        "text": text,
    },
    "filings": lambda random, text, _sight: {"parts": random.sample(FILED, 2), "note": text},
    "archive": lambda random, text, _sight: {"retention": random.choice(list(Retention)), "explanation": text},
    "calls": lambda _random, text, _sight: {"stations": ["s1"], "task": text, "report_by": "2090-01-01T09:00:00Z"},
    "calls/report": lambda random, text, sight: {
        "call_seq": int(random.choice(list(sight.state.get("calls", {})) or ["1"])),
        "text": text,
    },
    "joint/countersign": lambda _random, _text, sight: {"agreement_seq": sight.state.get("agreement_seq") or 1},
    "accept": _nothing,
    "close": _nothing,
    "joint/accept": _nothing,
    "handoff/accept": _nothing,
}
"""What the forms of the acts hold that need no knowledge of the county."""


def canary(seed: int, serial: int) -> str:
    """A word that stands in every text of one case and nowhere else."""
    return f"canary{seed}x{serial}x"
