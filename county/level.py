"""The county: watches over all townships, assigns matters down, decides who leads."""

from pathlib import Path

from county.policy import POLICY
from node.i18n import N_
from node.level import Level
from node.web.navigation import (
    AUDIT,
    BACKUPS,
    BOARD,
    CALLS,
    CASES,
    INBOX,
    JOINT,
    LINKS,
    REGISTER,
    RULES,
    STATIONS,
    SUBSIDIES,
    SUPERVISED,
    USERS,
)

LEVEL = Level(
    name="county",
    title=N_("County level"),
    letter=N_("C"),
    navigation=(
        BOARD,
        INBOX,
        CASES,
        JOINT,
        SUPERVISED,
        REGISTER,
        CALLS,
        SUBSIDIES,
        STATIONS,
        RULES,
        LINKS,
        USERS,
        BACKUPS,
        AUDIT,
    ),
    policy=POLICY,
    template_directory=Path(__file__).parent / "templates",
)
