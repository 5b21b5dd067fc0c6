"""Who may do what, as DESIGN section 8 says it."""

import pytest

from node.accounts.roles import CASE_ACTIONS, MAY, ROLE_NAMES, Action, Role, allowed, roles_for
from node.i18n import translate

EVERYONE = {Action.read_center, Action.sign_out}


def test_a_director_may_do_every_case_action_read_status_and_look_after_links() -> None:
    assert MAY[Role.director] == CASE_ACTIONS | EVERYONE | {
        Action.read_status,
        Action.read_links,
        Action.manage_links,
        Action.set_policy,
        Action.export_full,
    }


def test_a_dispatcher_may_do_every_case_action_but_sets_no_policy() -> None:
    assert MAY[Role.dispatcher] == CASE_ACTIONS | EVERYONE | {Action.read_status}


def test_a_monitor_reads_status_only() -> None:
    assert MAY[Role.monitor] == EVERYONE | {Action.read_status}


def test_an_administrator_keeps_users_and_links_and_touches_no_case() -> None:
    assert MAY[Role.admin] >= {
        Action.manage_users,
        Action.manage_links,
        Action.read_links,
        Action.enrol,
        Action.read_audit,
        Action.read_backups,
    }
    assert not MAY[Role.admin] & (CASE_ACTIONS | {Action.read_status})


def test_a_department_sees_its_calls_and_reports() -> None:
    assert MAY[Role.department] == EVERYONE | {Action.read_calls, Action.report}


def test_everyone_but_monitor_and_administrator_reads_cases() -> None:
    assert set(roles_for(Action.read_cases)) == set(Role) - {Role.monitor, Role.admin, Role.department}


@pytest.mark.parametrize("action", ["accept", "mediate", "agree", "fail", "follow_up", "note", "joint_entry"])
def test_a_mediator_settles(action: str) -> None:
    assert allowed([Role.mediator], Action(action))


@pytest.mark.parametrize("action", ["register", "escalate", "close", "assign", "grade", "withdraw"])
def test_a_mediator_does_not_move_or_end_cases(action: str) -> None:
    assert not allowed([Role.mediator], Action(action))


@pytest.mark.parametrize("action", ["register", "accept", "note", "follow_up", "escalate", "close", "recall"])
def test_a_clerk_receives_passes_on_and_files(action: str) -> None:
    assert allowed([Role.clerk], Action(action))


@pytest.mark.parametrize("action", ["mediate", "agree", "fail", "assign", "return", "view", "countersign"])
def test_a_clerk_neither_settles_nor_commands(action: str) -> None:
    assert not allowed([Role.clerk], Action(action))


def test_several_roles_add_up() -> None:
    both = [Role.clerk, Role.mediator]
    assert allowed(both, Action.register)
    assert allowed(both, Action.agree)
    assert not allowed(both, Action.assign)


def test_nobody_may_do_anything_without_a_role() -> None:
    assert not any(allowed([], action) for action in Action)


@pytest.mark.parametrize("action", list(Action))
def test_there_is_someone_for_every_action(action: Action) -> None:
    assert roles_for(action)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_a_name_for_people(role: Role) -> None:
    assert translate("en", ROLE_NAMES[role])
