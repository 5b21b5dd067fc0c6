"""The county: watches over all townships, assigns matters down, decides who leads."""

from pathlib import Path

from county.policy import POLICY
from node.i18n import N_
from node.level import Level
from node.web.navigation import (
    BOARD,
    CASES,
    HOUSE,
    INBOX,
    JOINT,
    REGISTER,
    SUPERVISED,
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
        *HOUSE,
    ),
    policy=POLICY,
    template_directory=Path(__file__).parent / "templates",
)
