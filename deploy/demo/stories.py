"""What happens to the matters of a demo, from registration at a village to wherever they end.

Every story goes through the API as people would, so that logs, links and counters look as in real life. Stories that
need more centers than a demo has are left out.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle

import httpx2
import typer

from deploy.demo.matters import MATTERS, Matter
from deploy.demo.people import Case, People, Refusal
from deploy.demo.plan import GIVEN_NAMES, SURNAMES, Plan, PlannedCenter
from node.accounts.roles import Role
from node.commands.terminal import complain, language, word
from node.i18n import N_, translate_plural
from protocol.codes import short_name

TIMEOUT = 30.0


@dataclass(frozen=True)
class Stage:
    """Where and with whom one story plays.

    Attributes:
        people: everybody.
        number: of the story; names and days depend on it.
        matter: what it is about.
        village: where it is registered.
        sibling: another center of the same parent.
        township: its parent.
        peer: another child of the county.
        county: the root.
    """

    people: People
    number: int
    matter: Matter
    village: PlannedCenter
    sibling: PlannedCenter | None
    township: PlannedCenter
    peer: PlannedCenter | None
    county: PlannedCenter | None

    def text(self, template: str) -> str:
        """A text of the matter with its people in it."""
        a, b = (self._person(2 * self.number + position) for position in (0, 1))
        return template.format(a=a, b=b, place=self.place)

    @property
    def place(self) -> str:
        """Where it happened."""
        return f"{short_name(self.village.name)}{self.matter.spot}"

    def ago(self, **span: float) -> str:
        """An instant in the past."""
        return (datetime.now(UTC) - timedelta(**span)).isoformat()

    def mediator(self, center: PlannedCenter) -> str:
        """The mediator of a center."""
        return center.users[Role.mediator].display_name

    def _person(self, number: int) -> str:
        return SURNAMES[(number * 7 + 3) % len(SURNAMES)] + GIVEN_NAMES[(number * 3 + 1) % len(GIVEN_NAMES)]

    # --- steps -----------------------------------------------------------------------------------

    def register(self) -> str:
        """Register the matter at the village; return the case's id."""
        matter = self.matter
        case = self.people.do(
            self.village,
            Role.clerk,
            "cases",
            {
                "title": self.text(matter.title),
                "category": matter.category,
                "place": self.place,
                "parties": [
                    {"name": self.text("{a}"), "role": "applicant", "phone": f"1380000{self.number % 10000:04}"},
                    {"name": self.text("{b}"), "role": "respondent"},
                ],
                "description": self.text(matter.facts),
                "source": matter.source,
                "grade": matter.grade,
                "occurred_at": self.ago(days=self.number % 9 + 1),
            },
        )
        return str(case["id"])

    def act(self, center: PlannedCenter, role: Role, case_id: str, act: str, **given: object) -> Case:
        """Do something with the case."""
        return self.people.do(center, role, f"cases/{case_id}/{act}", given)

    def accept(self, center: PlannedCenter, case_id: str) -> None:
        """Take it, once it is there."""
        self.people.held(center, case_id)
        self.act(center, Role.mediator, case_id, "accept")

    def mediate(self, center: PlannedCenter, case_id: str) -> None:
        """Hold a mediation session."""
        self.act(
            center,
            Role.mediator,
            case_id,
            "mediations",
            held_at=self.ago(minutes=20),
            place=f"{short_name(center.name)}调解室",
            mediators=[self.mediator(center)],
            summary=self.text(self.matter.talk),
        )

    def agree(self, center: PlannedCenter, case_id: str) -> int:
        """Reach the agreement; return its entry's number."""
        due = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        case = self.act(center, Role.mediator, case_id, "agree", agreement=self.text(self.matter.terms), due_on=due)
        return int(case["agreement_seq"])

    def close(self, center: PlannedCenter, case_id: str) -> None:
        """Close the case."""
        self.act(center, Role.clerk, case_id, "close")

    def visit(self, center: PlannedCenter, case_id: str) -> None:
        """Visit afterwards."""
        self.act(
            center,
            Role.clerk,
            case_id,
            "follow-ups",
            held_at=self.ago(minutes=5),
            method="上门回访",
            fulfilled=True,
            satisfied=True,
            note="协议已按约定履行，双方没有新的争议。",
        )

    def escalate(self, center: PlannedCenter, case_id: str, reason: str, *triggers: str) -> None:
        """Give it to the center above."""
        self.act(center, Role.clerk, case_id, "escalate", reason=reason, triggers=list(triggers))

    def assign(self, center: PlannedCenter, to: PlannedCenter, case_id: str, instructions: str) -> None:
        """Give it to a center below, with 四定."""
        self.act(
            center,
            Role.dispatcher,
            case_id,
            "assign",
            to=to.code,
            working_days=7,
            lead=center.users[Role.director].display_name,
            department="平安法治办",
            handler=self.mediator(to),
            instructions=instructions,
        )


Story = Callable[[Stage], None]


def settled_on_the_spot(stage: Stage) -> None:
    """小事不出村: registered, mediated, agreed, closed and visited in one village."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.agree(stage.village, case_id)
    stage.close(stage.village, case_id)
    stage.visit(stage.village, case_id)


def just_registered(stage: Stage) -> None:
    """Waits for somebody to accept it."""
    stage.register()


def in_mediation(stage: Stage) -> None:
    """Accepted, one session held, a note."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.act(stage.village, Role.clerk, case_id, "notes", text="双方约定三天后再谈，网格员每天走访。")


def settled_by_township(stage: Stage) -> None:
    """大事不出镇: the village fails, the township settles."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.act(stage.village, Role.mediator, case_id, "fail", reason="双方差距较大，村级调解未能达成一致。")
    stage.escalate(stage.village, case_id, "村级调解未成，请镇中心协调有关部门。")
    stage.accept(stage.township, case_id)
    stage.mediate(stage.township, case_id)
    stage.agree(stage.township, case_id)
    stage.close(stage.township, case_id)


def assigned_to_sibling(stage: Stage) -> None:
    """The township assigns it to the other village concerned."""
    assert stage.sibling is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "当事人一方住在邻村，请镇中心统筹。", "crosses_villages")
    stage.accept(stage.township, case_id)
    stage.assign(stage.township, stage.sibling, case_id, "请组织双方到现场，七个工作日内办结并回告。")
    stage.accept(stage.sibling, case_id)
    stage.mediate(stage.sibling, case_id)


def returned(stage: Stage) -> None:
    """The township sends it back with a reason."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.escalate(stage.village, case_id, "当事人要求由镇里处理。")
    stage.accept(stage.township, case_id)
    stage.act(
        stage.township,
        Role.dispatcher,
        case_id,
        "return",
        reason="事实清楚、标的不大，请村里继续调解，镇司法所派员指导。",
    )
    stage.people.held(stage.village, case_id)


def waits_at_township(stage: Stage) -> None:
    """Escalated; nobody has accepted it yet."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.escalate(stage.village, case_id, "涉及多个部门，请镇中心研判。")
    stage.people.held(stage.township, case_id)


def up_to_county_and_down(stage: Stage) -> None:
    """A grave one: up to the county, which assigns it to another township and urges."""
    assert stage.county is not None
    assert stage.peer is not None
    case_id = stage.register()
    if stage.matter.grade != "high":
        stage.act(stage.village, Role.dispatcher, case_id, "grade", grade="high", reason="人数多，有激化可能。")
    stage.escalate(stage.village, case_id, "情况较急，人数较多，请上级指导。", "grade_high")
    stage.accept(stage.township, case_id)
    stage.escalate(stage.township, case_id, "责任单位在邻镇，请县中心指定办理。", "grade_high")
    stage.accept(stage.county, case_id)
    stage.assign(stage.county, stage.peer, case_id, "请牵头办理，稳控在先，每日报告进展。")
    stage.people.held(stage.peer, case_id)
    stage.act(stage.county, Role.director, case_id, "urge", text="请三日内报告处置情况。")


def joint(stage: Stage) -> None:
    """联防联调联治: two townships mediate together, both sign, one agreement."""
    assert stage.peer is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "跨乡镇，请镇中心牵头联合调处。", "crosses_villages")
    stage.accept(stage.township, case_id)
    stage.act(
        stage.township,
        Role.dispatcher,
        case_id,
        "joint",
        partners=[stage.peer.code],
        reason="一方当事人住在你镇，请派员参加，一案一专班。",
        members=[{"name": stage.township.users[Role.director].display_name, "role": "组长"}],
    )
    stage.people.until(stage.peer, case_id, lambda case: case["invitation"] is not None)
    stage.act(
        stage.peer,
        Role.director,
        case_id,
        "joint/accept",
        members=[{"name": stage.mediator(stage.peer), "role": "副组长"}],
    )
    stage.people.until(stage.township, case_id, lambda case: case["joint"]["partners"][0]["status"] == "accepted")
    stage.people.until(stage.peer, case_id, lambda case: case["access"] == "full")
    stage.act(stage.peer, Role.mediator, case_id, "joint/entries", text="已走访我镇一方当事人，同意到场面谈。")
    stage.people.until(stage.township, case_id, lambda case: case["log"][-1]["kind"] == "joint_noted")
    stage.mediate(stage.township, case_id)
    agreement = stage.agree(stage.township, case_id)
    stage.people.until(stage.peer, case_id, lambda case: case["agreement_seq"] == agreement)
    stage.act(stage.peer, Role.director, case_id, "joint/countersign", agreement_seq=agreement)
    stage.people.until(stage.township, case_id, lambda case: case["joint"]["partners"][0]["countersigned"])
    stage.close(stage.township, case_id)


def withdrawn(stage: Stage) -> None:
    """The applicant takes it back."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.act(stage.village, Role.director, case_id, "withdraw", reason="双方自行和解，申请人撤回申请。")


def referred(stage: Stage) -> None:
    """It belongs to another authority."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.act(
        stage.village, Role.director, case_id, "refer", to="县人民法院", reason="当事人不愿调解，引导其依法起诉。"
    )


def agreed(stage: Stage) -> None:
    """Agreed; the terms are still to be fulfilled."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.agree(stage.village, case_id)


STORIES: tuple[tuple[Story, bool, bool], ...] = (
    (settled_on_the_spot, False, False),
    (assigned_to_sibling, True, False),
    (in_mediation, False, False),
    (up_to_county_and_down, False, True),
    (settled_by_township, False, False),
    (joint, False, True),
    (just_registered, False, False),
    (returned, False, False),
    (agreed, False, False),
    (waits_at_township, False, False),
    (withdrawn, False, False),
    (settled_on_the_spot, False, False),
    (referred, False, False),
)
"""Stories in order, and whether each needs a sibling, and a peer of the township."""


def play(plan: Plan, count: int) -> None:
    """Play so many matters; one that fails is reported, the others go on."""
    with httpx2.Client(timeout=TIMEOUT, trust_env=False, headers={"Accept-Language": language()}) as client:
        stages = cycle(_stages(People(plan, client)))
        played = 0
        label = word(N_("Playing matters"))
        with typer.progressbar(range(count), label=label, file=sys.stderr) as bar:
            for number in bar:
                story, stage = _next(stages, number)
                try:
                    story(stage)
                    played += 1
                except (Refusal, httpx2.HTTPError) as error:
                    complain(error.text(language()) if isinstance(error, Refusal) else str(error))
    typer.echo(translate_plural(language(), "{n} matter was played.", "{n} matters were played.", played))


def _stages(people: People) -> list[Stage]:
    """One stage for every village; for every township where there are no villages."""
    plan = people.plan
    by_code = {one.code: one for one in plan.centers}
    leaves = [one for one in plan.centers if not plan.children(one.code) and one.parent is not None]
    stages = []
    for leaf in leaves:
        above = by_code[str(leaf.parent)]
        top = by_code.get(above.parent or "")
        siblings = [one for one in plan.children(above.code) if one.code != leaf.code]
        peers = [] if top is None else [one for one in plan.children(top.code) if one.code != above.code]
        stages.append(
            Stage(people, 0, MATTERS[0], leaf, next(iter(siblings), None), above, next(iter(peers), None), top)
        )
    # Villages of different townships in turn.
    return sorted(stages, key=lambda one: (plan.children(one.township.code).index(one.village), one.township.code))


def _next(stages: "cycle[Stage]", number: int) -> tuple[Story, Stage]:
    stage = next(stages)
    story, needs_sibling, needs_peer = STORIES[number % len(STORIES)]
    if (needs_sibling and stage.sibling is None) or (needs_peer and stage.peer is None):
        story = settled_on_the_spot
    matter = MATTERS[(number * 5) % len(MATTERS)]
    return story, Stage(
        stage.people, number, matter, stage.village, stage.sibling, stage.township, stage.peer, stage.county
    )
