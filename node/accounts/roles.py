"""Who may do what: the one table of this project, ``TABLE``.

A row says of one action which roles may ever do it, and, where it is about one case, which relations to the case let
a center do it or ask the holder for it. It is asked at three places:

- at the door (``node.accounts.authorise``): may one of this person's roles ever do this? Otherwise 403.
- before an act (``node.cases.acts``): who stands to the case in none of the relations of ``does`` only asks (202), or
  is refused where nobody may ask (409 ``not-holder``).
- at the holder (``node.cases.granting``): a request is granted only to who stands in one of the relations of ``asks``.

What a center sees of a case at all is decided by ``node.access``; in which status something may be done, by
``protocol.rules``. ``docs/access.md`` shows the table; ``python -m node.accounts`` writes it there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from node.i18n import N_


class Role(StrEnum):
    """What a person is at a center; one person may be several things."""

    director = "director"
    dispatcher = "dispatcher"
    mediator = "mediator"
    clerk = "clerk"
    monitor = "monitor"
    admin = "admin"
    department = "department"
    grid_worker = "grid_worker"


ROLE_NAMES: Mapping[Role, str] = MappingProxyType(
    {
        Role.director: N_("director"),
        Role.dispatcher: N_("dispatcher"),
        Role.mediator: N_("mediator"),
        Role.clerk: N_("clerk"),
        Role.monitor: N_("monitor"),
        Role.admin: N_("administrator"),
        Role.department: N_("department on call"),
        Role.grid_worker: N_("grid worker"),
    }
)
"""What people call the roles (catalog messages)."""


class Action(StrEnum):
    """Everything that a person can ask of a center; one action for each call of the API."""

    # Cases, in the order in which a case lives
    register = "register"
    report_finding = "report_finding"
    read_cases = "read_cases"
    read_whole = "read_whole"
    show_field = "show_field"
    study = "study"
    accept = "accept"
    grade = "grade"
    correct = "correct"
    note = "note"
    mediate = "mediate"
    agree = "agree"
    fail = "fail"
    withdraw = "withdraw"
    refer = "refer"
    close = "close"
    claim_subsidy = "claim_subsidy"
    judge_subsidy = "judge_subsidy"
    merge = "merge"
    absorb = "absorb"
    """Asked by the node of a case that was merged into this one."""
    reopen = "reopen"
    follow_up = "follow_up"
    fulfil = "fulfil"
    inquire = "inquire"
    file = "file"
    archive = "archive"
    attach = "attach"
    open_file = "open_file"
    make_papers = "make_papers"
    export_ledger = "export_ledger"
    export_full = "export_full"
    import_ledger = "import_ledger"

    # Custody
    escalate = "escalate"
    return_ = "return"
    recall = "recall"
    assign = "assign"
    handoff = "handoff"
    handoff_accept = "handoff_accept"
    handoff_decline = "handoff_decline"

    # Supervision
    extend = "extend"
    rule = "rule"
    set_route = "set_route"
    call = "call"
    report = "report"
    read_calls = "read_calls"
    manage_stations = "manage_stations"
    urge = "urge"
    answer = "answer"
    view = "view"

    # Joint mediation
    joint_invite = "joint_invite"
    joint_accept = "joint_accept"
    joint_decline = "joint_decline"
    joint_entry = "joint_entry"
    countersign = "countersign"
    lead_order = "lead_order"

    # The center itself
    read_center = "read_center"
    read_status = "read_status"
    read_links = "read_links"
    manage_links = "manage_links"
    manage_users = "manage_users"
    enrol = "enrol"
    read_audit = "read_audit"
    read_backups = "read_backups"
    set_policy = "set_policy"
    inspect = "inspect"
    read_reports = "read_reports"
    send_report = "send_report"
    sign_out = "sign_out"
    read_self = "read_self"
    own_password = "own_password"  # noqa: S105 - an action
    own_second_factor = "own_second_factor"
    own_sessions = "own_sessions"


class Relation(StrEnum):
    """How a center stands to a case. It may stand in several at once: a township above the village it assigned to."""

    holder = "holder"
    full = "full"
    """Held it once and follows it, or waits for it to be delivered."""
    partner = "partner"
    """Mediates jointly: an invitation that was accepted."""
    invited = "invited"
    """To mediate jointly, or to take it over, and has not answered."""
    header = "header"
    """Was told the header, and no more."""
    ancestor = "ancestor"
    """Stands above the holder."""
    viewing = "viewing"
    """Broke the glass, and the time is not over."""
    stranger = "stranger"
    """None of these; the case does not exist for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        roles: who may ever do this.
        does: relations in which a center does it by itself; empty where it is not about one case.
        asks: relations in which the holder grants it.
    """

    roles: frozenset[Role]
    does: frozenset[Relation] = frozenset()
    asks: frozenset[Relation] = frozenset()

    @property
    def about_a_case(self) -> bool:
        """Whether relations matter."""
        return bool(self.does or self.asks)


_ALL = frozenset(Role)
_COMMAND = frozenset({Role.director, Role.dispatcher})
_SETTLE = _COMMAND | {Role.mediator}
_DESK = _COMMAND | {Role.clerk}
_HOUSE = _SETTLE | _DESK
_CALLED = _HOUSE | {Role.department}

_HOLDER = frozenset({Relation.holder})
_READERS = _HOLDER | {Relation.full, Relation.partner, Relation.viewing}
"""Who reads all of it."""
_SEEING = frozenset(Relation) - {Relation.ancestor, Relation.stranger}
"""Who sees something of it. Standing above shows nothing by itself: only some headers go up."""
_FOLLOWERS = frozenset({Relation.full, Relation.partner})
_INVITED = frozenset({Relation.invited})
_PARTNER = frozenset({Relation.partner})
_ABOVE = frozenset({Relation.ancestor})

TABLE: Mapping[Action, Row] = MappingProxyType(
    {
        # Cases
        Action.register: Row(_DESK),
        Action.report_finding: Row(_DESK | {Role.grid_worker}),
        Action.read_cases: Row(_HOUSE, does=_SEEING),
        Action.read_whole: Row(_HOUSE, does=_READERS),
        Action.show_field: Row(_HOUSE, does=_READERS),
        Action.study: Row(_HOUSE, does=_HOLDER),
        Action.accept: Row(_HOUSE, does=_HOLDER),
        Action.grade: Row(_COMMAND, does=_HOLDER),
        Action.correct: Row(_COMMAND, does=_HOLDER),
        Action.note: Row(_HOUSE, does=_HOLDER, asks=_FOLLOWERS | _ABOVE),
        Action.mediate: Row(_SETTLE, does=_HOLDER),
        Action.agree: Row(_SETTLE, does=_HOLDER),
        Action.fail: Row(_SETTLE, does=_HOLDER),
        Action.withdraw: Row(_COMMAND, does=_HOLDER),
        Action.refer: Row(_COMMAND, does=_HOLDER),
        Action.close: Row(_DESK, does=_HOLDER),
        Action.claim_subsidy: Row(_DESK, does=_HOLDER),
        Action.judge_subsidy: Row(_COMMAND, asks=_ABOVE),
        Action.merge: Row(_COMMAND, does=_HOLDER),
        Action.absorb: Row(_COMMAND, asks=_FOLLOWERS | _ABOVE),
        Action.reopen: Row(_COMMAND, does=_HOLDER, asks=_FOLLOWERS | _ABOVE),
        Action.follow_up: Row(_HOUSE, does=_HOLDER, asks=_FOLLOWERS),
        Action.fulfil: Row(_HOUSE, does=_HOLDER),
        Action.inquire: Row(_HOUSE, does=_HOLDER),
        Action.file: Row(_HOUSE, does=_HOLDER),
        Action.archive: Row(_HOUSE, does=_HOLDER),
        Action.attach: Row(_HOUSE, does=_HOLDER, asks=_FOLLOWERS),
        Action.open_file: Row(_HOUSE, does=_HOLDER | _FOLLOWERS),
        Action.make_papers: Row(_HOUSE, does=_READERS),
        Action.export_ledger: Row(_DESK),
        Action.export_full: Row(frozenset({Role.director})),
        Action.import_ledger: Row(_DESK),
        # Custody
        Action.escalate: Row(_DESK, does=_HOLDER),
        Action.return_: Row(_COMMAND, does=_HOLDER),
        Action.recall: Row(_DESK, does=frozenset({Relation.full}), asks=frozenset({Relation.full})),
        Action.assign: Row(_COMMAND, does=_HOLDER),
        Action.handoff: Row(_COMMAND, does=_HOLDER),
        Action.handoff_accept: Row(_COMMAND, asks=_INVITED),
        Action.handoff_decline: Row(_COMMAND, asks=_INVITED),
        # Supervision
        Action.extend: Row(_COMMAND, does=_HOLDER),
        Action.rule: Row(_COMMAND, asks=_ABOVE),
        Action.set_route: Row(_COMMAND),
        Action.call: Row(_DESK, does=_HOLDER),
        Action.report: Row(_CALLED, does=_HOLDER),
        Action.read_calls: Row(_CALLED),
        Action.manage_stations: Row(_COMMAND),
        Action.urge: Row(_COMMAND, asks=_ABOVE),
        Action.answer: Row(_HOUSE, does=_HOLDER, asks=_FOLLOWERS),
        Action.view: Row(_COMMAND, asks=_ABOVE),
        # Joint mediation
        Action.joint_invite: Row(_COMMAND, does=_HOLDER),
        Action.joint_accept: Row(_COMMAND, asks=_INVITED),
        Action.joint_decline: Row(_COMMAND, asks=_INVITED),
        Action.joint_entry: Row(_SETTLE, does=_HOLDER, asks=_PARTNER),
        Action.countersign: Row(_COMMAND, asks=_PARTNER),
        Action.lead_order: Row(_COMMAND, asks=_ABOVE),
        # The center itself
        Action.read_center: Row(_ALL),
        Action.read_status: Row(_HOUSE | {Role.monitor}),
        Action.read_links: Row(frozenset({Role.director, Role.admin})),
        Action.manage_links: Row(frozenset({Role.director, Role.admin})),
        Action.manage_users: Row(frozenset({Role.admin})),
        Action.enrol: Row(frozenset({Role.admin})),
        Action.read_audit: Row(frozenset({Role.admin})),
        Action.read_backups: Row(frozenset({Role.admin})),
        Action.set_policy: Row(frozenset({Role.director})),
        Action.inspect: Row(_HOUSE | {Role.grid_worker}),
        Action.read_reports: Row(_HOUSE),
        Action.send_report: Row(frozenset({Role.director})),
        Action.sign_out: Row(_ALL),
        Action.read_self: Row(_ALL),
        Action.own_password: Row(_ALL),
        Action.own_second_factor: Row(_ALL),
        Action.own_sessions: Row(_ALL),
    }
)
"""The table. What isn't here, nobody may ever do."""


def allowed(roles: Iterable[Role], action: Action) -> bool:
    """Whether one of these roles may do this."""
    return not TABLE[action].roles.isdisjoint(roles)


def roles_for(action: Action) -> tuple[Role, ...]:
    """The roles that may do this, in the order of ``Role``."""
    return tuple(role for role in Role if role in TABLE[action].roles)
