"""Stories of a demo in which two townships work together (联防联调联治): from the invitation to the closed case."""

from deploy.demo.plan import PlannedCenter
from deploy.demo.stage import Stage
from node.accounts.roles import Role


def _invite(stage: Stage) -> tuple[str, PlannedCenter]:
    """The township of the place leads and invites its neighbour; the case and the neighbour."""
    assert stage.peer is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "crosses_villages")
    stage.accept(stage.township, case_id)
    stage.act(
        stage.township,
        Role.dispatcher,
        case_id,
        "joint",
        partners=[stage.peer.code],
        reason="一方当事人住在你镇，请派员参加，一案一专班，每步都到场。",
        members=[
            {"name": stage.director(stage.township), "role": "组长，平安法治办"},
            {"name": stage.mediator(stage.township), "role": "司法所"},
        ],
    )
    stage.people.until(stage.peer, case_id, lambda case: case["invitation"] is not None)
    return case_id, stage.peer


def _join(stage: Stage) -> tuple[str, PlannedCenter]:
    """The neighbour joins and both have been to the place once."""
    case_id, peer = _invite(stage)
    stage.act(
        peer,
        Role.director,
        case_id,
        "joint/accept",
        members=[
            {"name": stage.director(peer), "role": "组长，平安法治办"},
            {"name": stage.mediator(peer), "role": "司法所"},
        ],
    )
    stage.people.until(stage.township, case_id, lambda case: case["joint"]["partners"][0]["status"] == "accepted")
    stage.people.until(peer, case_id, lambda case: case["access"] == "full")
    stage.act(peer, Role.mediator, case_id, "joint/entries", text="已走访我镇一方当事人，同意到场面谈，要求先看现场。")
    stage.people.until(stage.township, case_id, lambda case: case["log"][-1]["kind"] == "joint_noted")
    stage.mediate(stage.township, case_id, outcome="勘界", hours_ago=26)
    stage.act(stage.township, Role.mediator, case_id, "notes", text=stage.text(stage.matter.gap))
    return case_id, peer


def _agree(stage: Stage) -> tuple[str, PlannedCenter, int]:
    """One agreement, which the neighbour has before it."""
    case_id, peer = _join(stage)
    stage.mediate(stage.township, case_id, outcome="谈成")
    agreement = stage.agree(stage.township, case_id, due_in=20)
    stage.people.until(peer, case_id, lambda case: case["agreement_seq"] == agreement)
    return case_id, peer, agreement


def invited(stage: Stage) -> None:
    """The neighbour has not answered yet."""
    _invite(stage)


def running(stage: Stage) -> None:
    """Both take part; one session held, and a department is expected on the spot."""
    case_id, _ = _join(stage)
    stage.call(case_id, "会同两镇到路口核对车流和路面损坏，两日内报处置意见。", comes=False)


def to_countersign(stage: Stage) -> None:
    """Agreed; the neighbour has to countersign."""
    _agree(stage)


def closed(stage: Stage) -> None:
    """Both have signed, and it is closed: counted once."""
    case_id, peer, agreement = _agree(stage)
    stage.act(peer, Role.director, case_id, "joint/countersign", agreement_seq=agreement)
    stage.people.until(stage.township, case_id, lambda case: case["joint"]["partners"][0]["countersigned"])
    stage.close(stage.township, case_id)


def handed_off(stage: Stage) -> None:
    """The place turns out to lie in the neighbour's township, which takes the case over."""
    assert stage.peer is not None
    case_id = stage.register()
    stage.escalate(stage.village, case_id, "crosses_villages")
    stage.accept(stage.township, case_id)
    reason = "到现场核实，纠纷地在你镇，由你镇牵头更合适，我镇继续配合。"
    stage.act(stage.township, Role.dispatcher, case_id, "handoff", to=stage.peer.code, reason=reason)
    stage.people.until(stage.peer, case_id, lambda case: case["invitation"] is not None)
    stage.act(stage.peer, Role.director, case_id, "handoff/accept")
    stage.people.held(stage.peer, case_id)


ALL = frozenset({invited, running, to_countersign, closed, handed_off})
