"""The village: registers matters where people live and settles most of them on the spot."""

from pathlib import Path

from node.i18n import N_
from node.level import Level
from node.web.navigation import (
    BOARD,
    CASES,
    HOUSE,
    REGISTER,
    TODAY,
    VISITS,
)
from village.policy import POLICY

LEVEL = Level(
    name="village",
    title=N_("Village level"),
    letter=N_("V"),
    navigation=(TODAY, CASES, REGISTER, VISITS, BOARD, *HOUSE),
    policy=POLICY,
    template_directory=Path(__file__).parent / "templates",
)
