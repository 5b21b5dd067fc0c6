"""Which centers a demo has, on which ports, with which users; kept in ``plan.json`` from the first start on."""

import secrets
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from node.accounts.roles import Role
from node.divisions import Division, children_of, divisions
from node.i18n import N_
from node.identity import write_private
from node.trouble import Trouble
from protocol.codes import CenterCode, LevelName

FILE = "plan.json"

FIRST_PORT = 8100

PASSWORD_WORDS = ("shan", "shui", "tian", "lin", "qiao", "lu", "hua", "yun", "xi", "ping", "he", "an")
"""A password is three of them and four digits: easy to read off a table, about 24 bits, and only on loopback."""

STAFF: tuple[Role, ...] = tuple(role for role in Role if role not in {Role.department, Role.grid_worker})
"""Who works at a center; departments that are called get their accounts from it."""

SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡"
GIVEN_NAMES = (
    "建国",
    "秀英",
    "志强",
    "丽华",
    "文忠",
    "春梅",
    "永福",
    "桂兰",
    "家明",
    "玉珍",
    "正华",
    "晓燕",
    "光明",
    "凤仙",
)


class PlannedUser(BaseModel):
    """A user of one center."""

    model_config = ConfigDict(frozen=True)

    username: str
    display_name: str
    password: str = Field(repr=False)


class PlannedCenter(BaseModel):
    """One center of a demo."""

    model_config = ConfigDict(frozen=True)

    code: CenterCode
    name: str
    level: LevelName
    parent: CenterCode | None
    port: int
    broker_port: int | None
    users: dict[Role, PlannedUser]


class Plan(BaseModel):
    """A whole demo, parents before their children."""

    model_config = ConfigDict(frozen=True)

    centers: tuple[PlannedCenter, ...]

    @property
    def ports(self) -> list[int]:
        """All TCP ports that it needs."""
        return [port for one in self.centers for port in (one.port, one.broker_port) if port is not None]

    def children(self, code: str) -> list[PlannedCenter]:
        """The centers directly below one."""
        return [one for one in self.centers if one.parent == code]

    def moved(self, first_port: int) -> "Plan":
        """The same demo on other ports."""
        ports = count(first_port)
        moved = [
            one.model_copy(
                update={"port": next(ports), "broker_port": None if one.broker_port is None else next(ports)}
            )
            for one in self.centers
        ]
        return Plan(centers=tuple(moved))

    def write(self, directory: Path) -> None:
        """Keep it, passwords and all, readable only by us."""
        write_private(directory / FILE, self.model_dump_json(indent=1) + "\n")


def read_plan(directory: Path) -> Plan | None:
    """The plan of an earlier start; None at the first.

    Raises:
        Trouble: the file is damaged.
    """
    path = directory / FILE
    if not path.exists():
        return None
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise Trouble(
            N_("{file} is damaged. Delete {directory} to begin anew."), file=str(path), directory=str(directory)
        ) from error


def new_plan(county: str, *, townships: int, villages: int, first_port: int = FIRST_PORT) -> Plan:
    """Choose the first townships of a county and the first villages of each.

    Args:
        county: division code, with or without its six zeros.
        townships: how many.
        villages: how many in each; fewer where a township has fewer.
        first_port: ports count up from here.

    Raises:
        Trouble: no such county is among the shipped divisions, or it has fewer townships.
    """
    code = county if len(county) == len("532923000000") else f"{county}000000"
    root = divisions().get(code)
    if root is None or root.parent is not None:
        known = [f"{one.code[:6]} {one.name}" for one in divisions().values() if one.parent is None]
        raise Trouble(N_("{code} is none of the shipped counties: {known}."), code=county, known=known)
    below = children_of(code)
    if townships > len(below):
        raise Trouble(N_("{name} has only {count} townships."), name=root.name, count=len(below))
    chosen: list[Division] = [root]
    for township in below[:townships]:
        chosen += [township, *children_of(township.code)[:villages]]
    parents = {one.parent for one in chosen}
    chosen.sort(key=lambda one: (("county", "township", "village").index(one.level), one.code))
    password = new_password()
    centers = [
        PlannedCenter(
            code=one.code,
            name=one.name,
            level=one.level,
            parent=one.parent,
            port=0,
            broker_port=0 if one.code in parents else None,
            users=_users(number, password),
        )
        for number, one in enumerate(chosen)
    ]
    return Plan(centers=tuple(centers)).moved(first_port)


def new_password() -> str:
    """A password for everybody in one demo."""
    words = [secrets.choice(PASSWORD_WORDS) for _ in range(3)]
    return "-".join([*words, f"{secrets.randbelow(10000):04}"])


def _users(center: int, password: str) -> dict[Role, PlannedUser]:
    """One user for every role of the house; each is a person of its own."""
    users: dict[Role, PlannedUser] = {}
    for position, role in enumerate(STAFF):
        number = center * len(STAFF) + position
        name = SURNAMES[number % len(SURNAMES)] + GIVEN_NAMES[(number * 5 + center) % len(GIVEN_NAMES)]
        users[role] = PlannedUser(username=role.value, display_name=name, password=password)
    return users
