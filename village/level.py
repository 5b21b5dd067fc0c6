"""The village: registers matters where people live and settles most of them on the spot."""

from pathlib import Path

from node.accounts.roles import Action, roles_for
from node.i18n import N_
from node.level import Level, NavigationItem
from village.policy import POLICY

LEVEL = Level(
    name="village",
    title=N_("Village level"),
    letter=N_("V"),
    navigation=(
        NavigationItem(key="home", msgid=N_("Today"), path="/", icon="home"),
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
