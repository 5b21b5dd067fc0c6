"""The township: one window in, many departments behind it, joint mediation across its borders."""

from pathlib import Path

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
    VISITS,
)
from township.policy import POLICY

LEVEL = Level(
    name="township",
    title=N_("Township level"),
    letter=N_("T"),
    navigation=(
        INBOX,
        CASES,
        REGISTER,
        VISITS,
        JOINT,
        SUPERVISED,
        BOARD,
        *HOUSE,
    ),
    policy=POLICY,
    template_directory=Path(__file__).parent / "templates",
)
