"""What happens to the matters of a demo, from registration to wherever they stand when somebody looks.

Every story goes through the API as people would, so that logs, links and counters look as in real life. Stories that
need more centers than a demo has are replaced by one that any village can tell.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import httpx2
import typer

from deploy.demo import matters as m
from deploy.demo import stories_joint as joint
from deploy.demo.house import furnish
from deploy.demo.matters import Matter
from deploy.demo.people import People, Refusal
from deploy.demo.plan import Plan
from deploy.demo.stage import Stage
from node.accounts.roles import Role
from node.commands.terminal import complain, language, word
from node.i18n import N_, translate_plural

TIMEOUT = 30.0

Story = Callable[[Stage], None]


def settled_on_the_spot(stage: Stage) -> None:
    """小事不出村: registered, mediated, agreed, closed and visited in one village."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id, outcome="达成一致")
    stage.agree(stage.village, case_id)
    stage.close(stage.village, case_id)
    stage.visit(stage.village, case_id)
    stage.settled.append((stage, case_id))


def just_registered(stage: Stage) -> None:
    """Waits for somebody to accept it."""
    stage.register()


def in_mediation(stage: Stage) -> None:
    """Accepted, one session held, something still open."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.tried(stage.village, case_id)


def agreed_and_due(stage: Stage) -> None:
    """Agreed; tomorrow somebody asks whether it was kept."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id, outcome="达成一致")
    stage.agree(stage.village, case_id, due_in=1)


def withdrawn(stage: Stage) -> None:
    """The applicant takes it back."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.act(stage.village, Role.director, case_id, "withdraw", reason="双方自行和解，申请人撤回申请。")


def referred(stage: Stage) -> None:
    """It belongs to another authority."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.tried(stage.village, case_id)
    reason = "一方坚持走诉讼，已告知诉讼时效，引导其依法起诉。"
    stage.act(stage.village, Role.director, case_id, "refer", to="县人民法院", reason=reason)


def reopened(stage: Stage) -> None:
    """Closed; the visit finds that the agreement was not kept, and it is opened again."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id, outcome="达成一致")
    stage.agree(stage.village, case_id, due_in=7)
    stage.close(stage.village, case_id)
    stage.visit(stage.village, case_id, "第一期没有付，一方说手头紧。", kept=False)
    stage.act(stage.village, Role.director, case_id, "reopen", reason="回访发现协议没有履行，重新调解。")


def failed(stage: Stage) -> None:
    """Mediation fails for good; the case is closed as failed."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.tried(stage.village, case_id)
    reason = "两次调解，双方都不让步，已告知可以仲裁或起诉。"
    stage.act(stage.village, Role.mediator, case_id, "fail", reason=reason)
    stage.close(stage.village, case_id)


def waits_at_township(stage: Stage) -> None:
    """Escalated; nobody has accepted it yet."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.tried(stage.village, case_id)
    stage.escalate(stage.village, case_id)
    stage.people.held(stage.township, case_id)


def high_at_township(stage: Stage) -> None:
    """A grave one, escalated at once."""
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "group_incident")
    stage.people.held(stage.township, case_id)


def returned(stage: Stage) -> None:
    """The township sends it back with a reason."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)
    stage.escalate(stage.village, case_id)
    stage.accept(stage.township, case_id)
    reason = "事实清楚、标的不大，请村里再调一次；缺现场照片和票据，补齐后仍谈不拢再报。"
    stage.act(stage.township, Role.dispatcher, case_id, "return", reason=reason)
    stage.people.held(stage.village, case_id)


def settled_by_township(stage: Stage) -> None:
    """大事不出镇: the village fails, the township settles."""
    case_id = stage.register()
    stage.accept(stage.village, case_id)
    stage.tried(stage.village, case_id)
    stage.escalate(stage.village, case_id)
    stage.accept(stage.township, case_id)
    stage.call(case_id, "到现场核实情况，当天回告。")
    stage.mediate(stage.township, case_id, outcome="达成一致")
    stage.agree(stage.township, case_id)
    stage.close(stage.township, case_id)


def _up(stage: Stage) -> str:
    """A case that crosses villages, accepted at the township."""
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "crosses_villages")
    stage.accept(stage.township, case_id)
    return case_id


def assigned_to_sibling(stage: Stage) -> None:
    """The township assigns it to the other village concerned, which works on it."""
    assert stage.sibling is not None
    case_id = _up(stage)
    stage.assign(stage.township, stage.sibling, case_id, "请组织双方到现场，七个工作日内办结并回告。")
    stage.accept(stage.sibling, case_id)
    stage.tried(stage.sibling, case_id)


def arrived_at_village(stage: Stage) -> None:
    """Assigned down; nobody there has accepted it yet, and it is due soon."""
    case_id = _up(stage)
    instructions = "先分别谈，再面对面；谈不成的，到期前报镇里。"
    stage.assign(stage.township, stage.village, case_id, instructions, working_days=2)
    stage.people.held(stage.village, case_id)


def due_today(stage: Stage) -> None:
    """Assigned with the end of this day as its limit."""
    case_id = _up(stage)
    instructions = "双方今天都在家，当天上门，当天回告。"
    stage.assign(stage.township, stage.village, case_id, instructions, deadline=stage.tonight())
    stage.accept(stage.village, case_id)
    stage.mediate(stage.village, case_id)


def overdue(stage: Stage) -> None:
    """Its limit has passed, and the township orders."""
    case_id = _up(stage)
    limit = stage.ahead(seconds=15)
    stage.assign(stage.township, stage.village, case_id, "事情小，今天就去看。", deadline=limit)
    stage.accept(stage.village, case_id)
    text = "时限已到，请说明为什么没有办结，什么时候能办结。"
    stage.act(stage.township, Role.director, case_id, "urge", text=text, reply_by=stage.ahead(days=2))
    stage.people.until(stage.village, case_id, lambda case: case["supervised"])


def ordered_and_answered(stage: Stage) -> None:
    """The township orders, the village answers."""
    case_id = _up(stage)
    stage.assign(stage.township, stage.village, case_id, "请村里先稳住双方，再谈。")
    stage.accept(stage.village, case_id)
    text = "请报第一次调解的情况。"
    stage.act(stage.township, Role.dispatcher, case_id, "urge", text=text, reply_by=stage.ahead(days=3))
    case = stage.people.until(stage.village, case_id, lambda case: case["supervised"])
    stage.mediate(stage.village, case_id)
    order = next(entry["seq"] for entry in case["log"] if entry["kind"] == "urged")
    answer = "昨天已到现场谈过一次，双方同意先停手，下周二再谈。"
    stage.act(stage.village, Role.clerk, case_id, f"urge/{order}/answer", text=answer)


def up_to_county_and_down(stage: Stage) -> None:
    """A grave one: up to the county, which assigns it to another township and orders."""
    assert stage.county is not None
    assert stage.peer is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "grade_high")
    stage.accept(stage.township, case_id)
    stage.escalate(stage.township, case_id, "grade_high")
    stage.accept(stage.county, case_id)
    stage.assign(stage.county, stage.peer, case_id, "请牵头办理，稳控在先，每天下午五点前报进展。")
    stage.people.held(stage.peer, case_id)
    text = "请三日内报告处置情况和下一步打算。"
    stage.act(stage.county, Role.director, case_id, "urge", text=text, reply_by=stage.ahead(days=3))


def waits_at_county(stage: Stage) -> None:
    """Two steps up; the county has not accepted it yet."""
    assert stage.county is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "grade_high")
    stage.accept(stage.township, case_id)
    stage.tried(stage.township, case_id)
    stage.escalate(stage.township, case_id, "grade_high")
    stage.people.held(stage.county, case_id)


def sent_by_court(stage: Stage) -> None:
    """The court gives it to the county, which assigns it to the township."""
    assert stage.county is not None
    case_id = stage.register(stage.county)
    stage.accept(stage.county, case_id)
    instructions = "法院委派先行调解，期限内回告结果，调不成的附情况说明。"
    stage.assign(stage.county, stage.township, case_id, instructions, working_days=20)
    stage.people.held(stage.township, case_id)


STORIES: tuple[tuple[Story, Matter], ...] = (
    (settled_on_the_spot, m.DRAIN),
    (waits_at_township, m.BRICKS),
    (agreed_and_due, m.CATTLE),
    (high_at_township, m.GRAVE),
    (returned, m.CRASH),
    (joint.invited, m.PATH),
    (overdue, m.NOISE),
    (joint.running, m.QUARRY),
    (joint.to_countersign, m.WATER),
    (arrived_at_village, m.FERTILISER),
    (just_registered, m.DRIP),
    (up_to_county_and_down, m.ROAD),
    (due_today, m.PARENTS),
    (assigned_to_sibling, m.WALL),
    (in_mediation, m.GARLIC),
    (settled_by_township, m.PARKING),
    (joint.closed, m.POND),
    (reopened, m.SUPPORT),
    (ordered_and_answered, m.SILK),
    (withdrawn, m.FARMSTAY),
    (waits_at_county, m.WAGES),
    (referred, m.BRIDE_GIFT),
    (sent_by_court, m.LOAN),
    (joint.handed_off, m.PIGS),
    (failed, m.HONEY),
    (settled_on_the_spot, m.WALNUTS),
)
"""Stories in the order in which they are played, each with a matter that it fits."""

NEEDS_SIBLING = frozenset({assigned_to_sibling})
NEEDS_PEER = frozenset({up_to_county_and_down, *joint.ALL})
NEEDS_COUNTY = frozenset({waits_at_county, sent_by_court})


def play(plan: Plan, count: int) -> None:
    """Play so many matters; one that fails is reported, the others go on."""
    with httpx2.Client(timeout=TIMEOUT, trust_env=False, headers={"Accept-Language": language()}) as client:
        people = People(plan, client)
        house = _furnished(plan, people)
        settled: list[tuple[Stage, str]] = []
        stages = cycle(_stages(people, house, settled))
        played = 0
        label = word(N_("Playing matters"))
        with typer.progressbar(range(count), label=label, file=sys.stderr) as bar:
            for number in bar:
                story, stage = _next(stages, number)
                try:
                    story(stage)
                    played += 1
                except (Refusal, httpx2.HTTPError) as error:
                    _tell(error)
        _subsidies(settled)
    typer.echo(translate_plural(language(), "{n} matter was played.", "{n} matters were played.", played))


def _furnished(plan: Plan, people: People) -> dict[str, list[str]]:
    """Who can be called, by township; nobody where a center refused."""
    try:
        return furnish(plan, people)
    except (Refusal, httpx2.HTTPError) as error:
        _tell(error)
        return {}


def _subsidies(settled: list[tuple[Stage, str]]) -> None:
    """The villages claim what their settled cases earn; the townships judge every other claim."""
    for number, (stage, case_id) in enumerate(settled):
        try:
            stage.claim_subsidy(case_id)
            if number % 2 == 0:
                stage.judge_subsidy(case_id)
        except (Refusal, httpx2.HTTPError) as error:
            _tell(error)


def _tell(error: Exception) -> None:
    complain(error.text(language()) if isinstance(error, Refusal) else str(error))


def _stages(people: People, house: dict[str, list[str]], settled: list[tuple[Stage, str]]) -> list[Stage]:
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
            Stage(
                people=people,
                number=0,
                matter=m.DRAIN,
                village=leaf,
                sibling=next(iter(siblings), None),
                township=above,
                peer=next(iter(peers), None),
                county=top,
                house=tuple(house.get(above.code, ())),
                settled=settled,
            )
        )
    # Villages of different townships in turn.
    return sorted(stages, key=lambda one: (plan.children(one.township.code).index(one.village), one.township.code))


def _next(stages: "cycle[Stage]", number: int) -> tuple[Story, Stage]:
    stage = next(stages)
    story, matter = STORIES[number % len(STORIES)]
    lacks = (
        (story in NEEDS_SIBLING and stage.sibling is None)
        or (story in NEEDS_PEER and stage.peer is None)
        or (story in NEEDS_COUNTY and stage.county is None)
    )
    told = settled_on_the_spot if lacks else story
    return told, replace(stage, number=number, matter=matter)
