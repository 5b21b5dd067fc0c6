"""Who may do what, as DESIGN section 8 says it."""

import pytest

from node.accounts.describing import PAGE, with_table
from node.accounts.roles import ROLE_NAMES, TABLE, Action, Relation, Role, allowed, roles_for
from node.i18n import translate

OWN = {Action.sign_out, Action.read_self, Action.own_password, Action.own_second_factor, Action.own_sessions}

EVERYONE = {Action.read_center} | OWN

OF_THE_CENTER = EVERYONE | {
    Action.read_status,
    Action.read_links,
    Action.manage_links,
    Action.manage_users,
    Action.enrol,
    Action.read_audit,
    Action.read_backups,
    Action.set_policy,
    Action.export_full,
    Action.inspect,
    Action.read_reports,
    Action.send_report,
}

CASE_ACTIONS = set(Action) - OF_THE_CENTER
"""Whatever touches cases, reading included."""


def may(role: Role) -> set[Action]:
    """Everything that this role may ever do."""
    return {action for action in Action if allowed([role], action)}


def test_every_action_has_its_row() -> None:
    assert set(TABLE) == set(Action)


def test_whoever_may_ask_about_a_case_that_others_do_by_themselves_is_not_the_holder() -> None:
    for action, row in TABLE.items():
        assert Relation.holder not in row.asks, action
        assert Relation.stranger not in row.does | row.asks, action


def test_a_director_may_do_every_case_action_read_status_and_look_after_links() -> None:
    assert may(Role.director) == CASE_ACTIONS | EVERYONE | {
        Action.read_status,
        Action.read_links,
        Action.manage_links,
        Action.set_policy,
        Action.export_full,
        Action.inspect,
        Action.read_reports,
        Action.send_report,
    }


def test_a_dispatcher_may_do_every_case_action_but_sets_no_policy() -> None:
    assert may(Role.dispatcher) == CASE_ACTIONS | EVERYONE | {
        Action.read_status,
        Action.inspect,
        Action.read_reports,
    }


def test_a_monitor_reads_status_only() -> None:
    assert may(Role.monitor) == EVERYONE | {Action.read_status}


def test_an_administrator_keeps_users_and_links_and_touches_no_case() -> None:
    assert may(Role.admin) >= {
        Action.manage_users,
        Action.manage_links,
        Action.read_links,
        Action.enrol,
        Action.read_audit,
        Action.read_backups,
    }
    assert not may(Role.admin) & (CASE_ACTIONS | {Action.read_status})


def test_a_department_sees_its_calls_and_reports() -> None:
    assert may(Role.department) == EVERYONE | {Action.read_calls, Action.report}


def test_a_grid_worker_reports_findings_and_inspections_and_reads_nothing() -> None:
    assert may(Role.grid_worker) == EVERYONE | {Action.report_finding, Action.inspect}


def test_everyone_but_monitor_administrator_department_and_grid_worker_reads_cases() -> None:
    others = {Role.monitor, Role.admin, Role.department, Role.grid_worker}
    assert set(roles_for(Action.read_cases)) == set(Role) - others


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


def test_the_docs_show_the_table_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "write it anew: make access"
