"""The township: one window in, many departments behind it, joint mediation across its borders."""

from pathlib import Path

from node.accounts.roles import Action, roles_for
from node.i18n import N_
from node.level import Level, NavigationItem
from township.policy import POLICY

LEVEL = Level(
    name="township",
    title=N_("Township level"),
    letter=N_("T"),
    navigation=(
        NavigationItem(key="home", msgid=N_("Cases"), path="/", icon="inbox"),
        NavigationItem(
            key="register",
            msgid=N_("Register"),
            path="/cases/new",
            icon="plus",
            roles=frozenset(roles_for(Action.register)),
        ),
    ),
    policy=POLICY,
    template_directory=Path(__file__).parent / "templates",
)
