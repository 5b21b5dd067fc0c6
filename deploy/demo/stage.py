"""Where one story of a demo plays, and the steps that stories are made of: each is a call of the API by one person."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deploy.demo.matters import Matter
from deploy.demo.people import Case, People
from deploy.demo.plan import GIVEN_NAMES, SURNAMES, PlannedCenter
from node.accounts.roles import Role
from node.clock import LOCAL_ZONE
from protocol.codes import short_name


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
        house: ids of the departments that the township can call.
        settled: settled cases of all stages, whose mediators may claim a subsidy.
    """

    people: People
    number: int
    matter: Matter
    village: PlannedCenter
    sibling: PlannedCenter | None
    township: PlannedCenter
    peer: PlannedCenter | None
    county: PlannedCenter | None
    house: tuple[str, ...]
    settled: list[tuple["Stage", str]]

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

    def ahead(self, **span: float) -> str:
        """An instant to come."""
        return (datetime.now(UTC) + timedelta(**span)).isoformat()

    def day(self, days: int) -> str:
        """A local day to come."""
        return (datetime.now(LOCAL_ZONE) + timedelta(days=days)).date().isoformat()

    def tonight(self) -> str:
        """The end of this local day."""
        return datetime.now(LOCAL_ZONE).replace(hour=23, minute=59, second=59, microsecond=0).isoformat()

    def mediator(self, center: PlannedCenter) -> str:
        """The mediator of a center."""
        return center.users[Role.mediator].display_name

    def director(self, center: PlannedCenter) -> str:
        """The director of a center."""
        return center.users[Role.director].display_name

    def _person(self, number: int) -> str:
        return SURNAMES[(number * 7 + 3) % len(SURNAMES)] + GIVEN_NAMES[(number * 3 + 1) % len(GIVEN_NAMES)]

    # --- steps -----------------------------------------------------------------------------------

    def register(self, at: PlannedCenter | None = None) -> str:
        """Register the matter, at the village unless told otherwise; return the case's id."""
        matter = self.matter
        case = self.people.do(
            at or self.village,
            Role.clerk,
            "cases",
            {
                "title": self.text(matter.title),
                "category": matter.category,
                "place": self.place,
                "parties": [
                    {"name": self.text("{a}"), "role": "applicant", "phone": f"1380000{self.number % 10000:04}"},
                    {"name": self.text("{b}"), "role": "respondent", "phone": f"1390000{self.number % 10000:04}"},
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

    def mediate(self, center: PlannedCenter, case_id: str, *, outcome: str = "", hours_ago: float = 0.4) -> None:
        """Hold a mediation session."""
        self.act(
            center,
            Role.mediator,
            case_id,
            "mediations",
            held_at=self.ago(hours=hours_ago),
            place=f"{short_name(center.name)}调解室",
            mediators=[self.mediator(center)],
            summary=self.text(self.matter.talk),
            outcome=self.text(outcome) or None,
        )

    def tried(self, center: PlannedCenter, case_id: str) -> None:
        """A session that left something open."""
        self.mediate(center, case_id, outcome="未达成")
        self.act(center, Role.mediator, case_id, "notes", text=self.text(self.matter.gap))

    def agree(self, center: PlannedCenter, case_id: str, due_in: int = 30) -> int:
        """Reach the agreement, to be fulfilled within so many days; return its entry's number."""
        case = self.act(
            center,
            Role.mediator,
            case_id,
            "agree",
            agreement=self.text(self.matter.terms),
            due_on=self.day(due_in),
        )
        return int(case["agreement_seq"])

    def call(self, case_id: str, task: str, *, comes: bool = True) -> None:
        """The township calls a department, which comes and reports, or is still expected."""
        if not self.house:
            return
        given = {"stations": [self.house[self.number % len(self.house)]], "report_by": self.ahead(hours=4)}
        case = self.act(self.township, Role.dispatcher, case_id, "calls", task=task, **given)
        if comes:
            called = next(entry["seq"] for entry in case["log"] if entry["kind"] == "called")
            text = "已到现场，双方在场核实，情况属实。"
            self.act(self.township, Role.clerk, case_id, f"calls/{called}/report", text=text)

    def claim_subsidy(self, case_id: str) -> None:
        """The village claims what its mediator earned."""
        self.act(self.village, Role.director, case_id, "filings", parts=["notice", "identity"])
        self.act(self.village, Role.director, case_id, "subsidy", mediators=[self.mediator(self.village)])

    def judge_subsidy(self, case_id: str) -> None:
        """The township approves it."""
        self.people.until(self.township, case_id, lambda case: case["subsidy"] is not None)
        self.act(self.township, Role.director, case_id, "subsidy/judge", approved=True)

    def close(self, center: PlannedCenter, case_id: str) -> None:
        """Close the case."""
        self.act(center, Role.clerk, case_id, "close")

    def visit(
        self,
        center: PlannedCenter,
        case_id: str,
        note: str = "协议已按约定履行，双方没有新的争议。",
        *,
        kept: bool = True,
    ) -> None:
        """Visit afterwards."""
        self.act(
            center,
            Role.clerk,
            case_id,
            "follow-ups",
            held_at=self.ago(minutes=5),
            method="上门回访" if kept else "电话回访",
            fulfilled=kept,
            satisfied=kept,
            note=note,
        )

    def escalate(self, center: PlannedCenter, case_id: str, *triggers: str) -> None:
        """Give it to the center above."""
        reason = self.text(self.matter.up)
        self.act(center, Role.clerk, case_id, "escalate", reason=reason, triggers=list(triggers))

    def assign(
        self, center: PlannedCenter, to: PlannedCenter, case_id: str, instructions: str, **limit: object
    ) -> None:
        """Give it to a center below, with 四定; seven working days unless a limit is named."""
        self.act(
            center,
            Role.dispatcher,
            case_id,
            "assign",
            to=to.code,
            lead=self.director(center),
            department="平安法治办",
            handler=self.mediator(to),
            instructions=instructions,
            **(limit or {"working_days": 7}),
        )
