"""Which role may do what: the one table of this center.

A role answers "may this person ever do this here?". Whether it can be done to a certain case (who holds it,
which status it has, who may see it) is decided elsewhere: ``node.access`` and ``protocol.rules``.
"""

from collections.abc import Iterable, Mapping
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


ROLE_NAMES: Mapping[Role, str] = MappingProxyType(
    {
        Role.director: N_("director"),
        Role.dispatcher: N_("dispatcher"),
        Role.mediator: N_("mediator"),
        Role.clerk: N_("clerk"),
        Role.monitor: N_("monitor"),
        Role.admin: N_("administrator"),
        Role.department: N_("department on call"),
    }
)
"""What people call the roles (catalog messages)."""


class Action(StrEnum):
    """Everything that a person can ask of a center; one action for each call of the API."""

    # Cases, in the order in which a case lives
    register = "register"
    read_cases = "read_cases"
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
    reopen = "reopen"
    follow_up = "follow_up"
    fulfil = "fulfil"
    inquire = "inquire"
    file = "file"
    archive = "archive"
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
    sign_out = "sign_out"


_EVERYONE = frozenset({Action.read_center, Action.sign_out})

_CENTER = frozenset(
    {
        Action.read_center,
        Action.read_status,
        Action.read_links,
        Action.manage_links,
        Action.manage_users,
        Action.enrol,
        Action.read_audit,
        Action.read_backups,
        Action.set_policy,
        Action.export_full,
        Action.sign_out,
    }
)

CASE_ACTIONS: frozenset[Action] = frozenset(Action) - _CENTER
"""Whatever touches a case, reading included."""

MAY: Mapping[Role, frozenset[Action]] = MappingProxyType(
    {
        Role.director: _EVERYONE
        | CASE_ACTIONS
        | {Action.read_status, Action.read_links, Action.manage_links, Action.set_policy, Action.export_full},
        Role.dispatcher: _EVERYONE | CASE_ACTIONS | {Action.read_status},
        Role.mediator: _EVERYONE
        | {
            Action.read_status,
            Action.read_cases,
            Action.accept,
            Action.mediate,
            Action.agree,
            Action.fail,
            Action.follow_up,
            Action.fulfil,
            Action.inquire,
            Action.file,
            Action.archive,
            Action.make_papers,
            Action.note,
            Action.answer,
            Action.joint_entry,
            Action.report,
            Action.read_calls,
        },
        Role.clerk: _EVERYONE
        | {
            Action.read_status,
            Action.read_cases,
            Action.register,
            Action.accept,
            Action.note,
            Action.follow_up,
            Action.fulfil,
            Action.inquire,
            Action.file,
            Action.archive,
            Action.make_papers,
            Action.export_ledger,
            Action.import_ledger,
            Action.answer,
            Action.escalate,
            Action.recall,
            Action.close,
            Action.claim_subsidy,
            Action.call,
            Action.report,
            Action.read_calls,
        },
        Role.monitor: _EVERYONE | {Action.read_status},
        Role.department: _EVERYONE | {Action.read_calls, Action.report},
        Role.admin: _EVERYONE
        | {
            Action.read_links,
            Action.manage_links,
            Action.manage_users,
            Action.enrol,
            Action.read_audit,
            Action.read_backups,
        },
    }
)
"""The table. What isn't here, nobody of that role may ever do."""


def allowed(roles: Iterable[Role], action: Action) -> bool:
    """Whether one of these roles may do this."""
    return any(action in MAY[role] for role in roles)


def roles_for(action: Action) -> tuple[Role, ...]:
    """The roles that may do this, in the order of ``Role``."""
    return tuple(role for role in Role if action in MAY[role])
