"""The county: watches over all townships, assigns matters down, decides who leads."""

from pathlib import Path

from county.policy import POLICY
from node.accounts.roles import Action, roles_for
from node.i18n import N_
from node.level import Level, NavigationItem

LEVEL = Level(
    name="county",
    title=N_("County level"),
    letter=N_("C"),
    navigation=(
        NavigationItem(key="home", msgid=N_("Overview"), path="/", icon="chart-bar"),
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
