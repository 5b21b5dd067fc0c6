"""The township: one window in, many departments behind it, joint mediation across its borders."""

from pathlib import Path

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
