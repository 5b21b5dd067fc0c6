"""The directories of a demo's centers, made as in real life: the root by ``init_root``, the others by join files.

All are made in a directory beside their place and moved there as a whole, so that an interrupted start leaves nothing
half made.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from deploy.demo.plan import Plan, PlannedCenter
from node.accounts import service
from node.accounts.passwords import PasswordHasher
from node.center import Center
from node.enrolment import enroll
from node.founding import init_root, join
from node.i18n import Language
from node.join_file import JoinFile
from node.opening import open_center
from node.settings import FILE, Broker, NoBroker, OwnBroker, Settings, load_settings, settings_of, write_settings

CENTERS = "centers"
UNFINISHED = ".building"


def directory_of(directory: Path, code: str) -> Path:
    """Where everything of one center lies."""
    return directory / CENTERS / code


def build(directory: Path, plan: Plan, language: Language, made: Callable[[PlannedCenter], None]) -> None:
    """Make all centers, unless an earlier start has; ``made`` hears of each."""
    if (directory / CENTERS).exists():
        return
    unfinished = directory / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    hasher = PasswordHasher()
    joins: dict[str, JoinFile] = {}
    for one in plan.centers:
        settings = _make(unfinished / one.code, one, joins.get(one.code), language)
        center = open_center(settings, hasher=hasher)
        try:
            _add_users(center, one)
            for child in plan.children(one.code):
                joins[child.code] = enroll(center, settings, child.code)
        finally:
            center.database.dispose()
        made(one)
    unfinished.rename(directory / CENTERS)


def move_ports(directory: Path, plan: Plan) -> None:
    """Write the plan's ports into the settings of centers that an earlier start made."""
    broker_ports = {one.code: one.broker_port for one in plan.centers}
    for one in plan.centers:
        home = directory_of(directory, one.code)
        before = load_settings(home, environment=False)
        given = before.model_dump(include=before.model_fields_set)
        given |= {"port": one.port, "broker": _broker(one)}
        if one.parent is not None:
            given["parent_url"] = f"nats://127.0.0.1:{broker_ports[one.parent]}"
        write_settings(settings_of(home, given, place=str(home / FILE)))


def _make(home: Path, one: PlannedCenter, join_file: JoinFile | None, language: Language) -> Settings:
    if join_file is None:
        return init_root(
            home,
            one.code,
            port=one.port,
            broker=_broker(one) if one.broker_port is not None else NoBroker(),
            language=language,
            environment=False,
        )
    return join(join_file, home, port=one.port, broker=_broker(one), language=language, environment=False)


def _broker(one: PlannedCenter) -> Broker:
    return NoBroker() if one.broker_port is None else OwnBroker(port=one.broker_port)


def _add_users(center: Center, one: PlannedCenter) -> None:
    with center.database.write() as session:
        for role, user in one.users.items():
            service.create_user(
                session,
                center.clock,
                center.hasher,
                username=user.username,
                display_name=user.display_name,
                password=user.password,
                roles=[role],
                must_change=False,
            )
