"""Codes of the field: centers, levels, categories, grades, sources, roles of parties.

Center codes are the 12-digit statistical division codes of the National Bureau of Statistics (统计用区划代码):
six digits county, three township, three village. The level and the parent of a center stand in its certificate; the
prefix is only the default, since development zones have codes without a real parent.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

CODE_PATTERN = r"^[0-9]{12}$"

CenterCode = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
"""A center's address: its 12-digit statistical division code."""

LevelName = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}$")]
"""Name of a level: county, township, village; others may be added above without a change of code."""


class Category(StrEnum):
    """Dispute types (纠纷类型), stable text codes."""

    MARRIAGE_FAMILY = "marriage_family"
    NEIGHBOURHOOD = "neighbourhood"
    HOUSING_HOMESTEAD = "housing_homestead"
    CONTRACT = "contract"
    PRODUCTION_BUSINESS = "production_business"
    DAMAGES = "damages"
    FOREST_LAND = "forest_land"
    EXPROPRIATION = "expropriation"
    ENVIRONMENT = "environment"
    MIGRANT_WAGES = "migrant_wages"
    LABOUR_OTHER = "labour_other"
    TOURISM = "tourism"
    E_COMMERCE = "e_commerce"
    CONSUMER_OTHER = "consumer_other"
    MEDICAL = "medical"
    TRAFFIC = "traffic"
    PROPERTY_MANAGEMENT = "property_management"
    OTHER = "other"


class Grade(StrEnum):
    """Risk grade (风险等级) of the matter, never of a person."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Source(StrEnum):
    """Where a matter came from (来源)."""

    VISIT = "visit"
    GRID_WORKER = "grid_worker"
    INSPECTION = "inspection"
    HOTLINE = "hotline"
    PETITION = "petition"
    COURT = "court"
    POLICE = "police"
    PROCURATORATE = "procuratorate"
    SUPERIOR = "superior"
    DEPARTMENT = "department"


class PartyRole(StrEnum):
    """Role of a party (当事人) in the matter."""

    APPLICANT = "applicant"
    RESPONDENT = "respondent"
    OTHER = "other"


class Status(StrEnum):
    """Status of a case; custody is separate from it."""

    REGISTERED = "registered"
    ACCEPTED = "accepted"
    MEDIATING = "mediating"
    AGREED = "agreed"
    FAILED = "failed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    REFERRED = "referred"
    MERGED = "merged"


ENDED = frozenset({Status.CLOSED, Status.WITHDRAWN, Status.REFERRED, Status.MERGED})
"""Statuses that end a case."""


class Trigger(StrEnum):
    """Reasons that let a matter go up without a mediation attempt."""

    GRADE_HIGH = "grade_high"
    GROUP_INCIDENT = "group_incident"
    CROSSES_VILLAGES = "crosses_villages"
    DANGER_TO_LIFE = "danger_to_life"
    DEADLINE_MISSED = "deadline_missed"
    REPEATED_FAILURE = "repeated_failure"


class AgreementForm(StrEnum):
    """How an agreement was made (人民调解法 §28)."""

    WRITTEN = "written"
    ORAL = "oral"


class Part(StrEnum):
    """The thirteen parts of a dossier (卷宗), in their order; the cover stands before them."""

    APPLICATION = "application"
    NOTICE = "notice"
    IDENTITY = "identity"
    AUTHORISATION = "authorisation"
    INQUIRY = "inquiry"
    EVIDENCE = "evidence"
    MEDIATION = "mediation"
    AGREEMENT = "agreement"
    FULFILMENT = "fulfilment"
    VISIT = "visit"
    CONFIRMATION = "confirmation"
    EXPLANATION = "explanation"
    BACK_COVER = "back_cover"


class Retention(StrEnum):
    """How long an archived dossier is kept (保管期限): 10 years, 30 years, for ever (国家档案局令第8号)."""

    SHORT = "short"
    LONG = "long"
    PERMANENT = "permanent"


class Rung(StrEnum):
    """Steps of the ladder of a deadline (督办): near, due today, past."""

    BLUE = "blue"
    YELLOW = "yellow"
    RED = "red"


def default_level(code: str) -> str:
    """The level that a division code suggests: ``...000000`` county, ``...000`` township, else village."""
    if code.endswith("000000"):
        return "county"
    return "township" if code.endswith("000") else "village"


def default_parent(code: str) -> str | None:
    """The parent that a division code suggests; None for a county."""
    match default_level(code):
        case "village":
            return code[:9] + "000"
        case "township":
            return code[:6] + "000000"
        case _:
            return None


_SUFFIXES = (
    "社区村民委员会",
    "社区居民委员会",
    "村民委员会",
    "居民委员会",
    "村委会",
    "居委会",
    "社区",
    "街道办事处",
    "街道",
    "乡",
    "镇",
)


def short_name(name: str) -> str:
    """The name people say: 谢官营村民委员会 -> 谢官营, 沙龙镇 -> 沙龙."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name
