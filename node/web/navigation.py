"""Navigation items that levels share; each level puts its own order together."""

from typing import Final

from node.accounts.roles import Action, Role, roles_for
from node.cases.queues import Queue
from node.i18n import N_
from node.level import NavigationItem

_READERS: Final = frozenset(roles_for(Action.read_cases))

TODAY: Final = NavigationItem(key="today", msgid=N_("Today"), path="/today", icon="home", roles=_READERS)
INBOX: Final = NavigationItem(
    key="inbox", msgid=N_("Inbox"), path="/inbox", icon="inbox", roles=_READERS, queue=Queue.TO_ACCEPT, hot=True
)
CASES: Final = NavigationItem(
    key="cases", msgid=N_("Cases"), path="/cases", icon="files", roles=_READERS, queue=Queue.OPEN
)
REGISTER: Final = NavigationItem(
    key="register",
    msgid=N_("Register"),
    path="/cases/new",
    icon="plus",
    roles=frozenset(roles_for(Action.register)),
    wide=False,
)
VISITS: Final = NavigationItem(
    key="visits",
    msgid=N_("Visits"),
    path="/cases?queue=visits",
    icon="phone-check",
    roles=frozenset(roles_for(Action.follow_up)),
    queue=Queue.VISITS,
)
SUPERVISED: Final = NavigationItem(
    key="supervised",
    msgid=N_("Orders"),
    path="/cases?queue=supervised",
    icon="bell-ringing",
    roles=_READERS,
    phone=False,
    queue=Queue.SUPERVISED,
)
STATIONS: Final = NavigationItem(
    key="stations",
    msgid=N_("Departments"),
    path="/stations",
    icon="building",
    roles=frozenset(roles_for(Action.manage_stations)),
    phone=False,
    wide=False,
)
CALLS: Final = NavigationItem(
    key="calls", msgid=N_("Calls"), path="/calls", icon="bell-ringing", roles=frozenset({Role.department})
)
"""For the accounts of departments; everyone else comes to the calls by way of the departments."""

SUBSIDIES: Final = NavigationItem(
    key="subsidies",
    msgid=N_("Subsidies"),
    path="/subsidies",
    icon="file-text",
    roles=_READERS,
    phone=False,
    wide=False,
)
JOINT: Final = NavigationItem(
    key="joint",
    msgid=N_("Joint mediation"),
    path="/cases?queue=joint",
    icon="users-group",
    roles=_READERS,
    phone=False,
    queue=Queue.JOINT,
)
BOARD: Final = NavigationItem(
    key="board", msgid=N_("Board"), path="/board", icon="chart-bar", roles=frozenset(roles_for(Action.read_status))
)
LINKS: Final = NavigationItem(
    key="links",
    msgid=N_("Links"),
    path="/links",
    icon="plug-connected",
    roles=frozenset(roles_for(Action.enrol)),
)
"""For administrators; everybody else comes to the links by the mark at the top."""
USERS: Final = NavigationItem(
    key="users", msgid=N_("People"), path="/users", icon="users", roles=frozenset(roles_for(Action.manage_users))
)
BACKUPS: Final = NavigationItem(
    key="backups",
    msgid=N_("Backups"),
    path="/backups",
    icon="device-floppy",
    roles=frozenset(roles_for(Action.read_backups)),
)
AUDIT: Final = NavigationItem(
    key="audit",
    msgid=N_("Audit log"),
    path="/audit",
    icon="history",
    roles=frozenset(roles_for(Action.read_audit)),
)
RULES: Final = NavigationItem(
    key="rules",
    msgid=N_("Rules"),
    path="/policy",
    icon="scale",
    roles=frozenset(roles_for(Action.set_policy)),
    phone=False,
    wide=False,
)

GRID: Final = NavigationItem(
    key="grid", msgid=N_("Finding"), path="/grid", icon="flag", roles=frozenset({Role.grid_worker})
)
"""For grid workers on their phones; whoever receives here registers."""

REPORTS: Final = NavigationItem(
    key="reports",
    msgid=N_("Reports"),
    path="/reports",
    icon="list-check",
    roles=frozenset(roles_for(Action.read_reports)),
    phone=False,
    wide=False,
)

HOUSE: Final = (CALLS, GRID, REPORTS, SUBSIDIES, STATIONS, RULES, LINKS, USERS, BACKUPS, AUDIT)
"""A center's own house: what every level has, after its pages of work."""
