"""``demo.json``: what runs where. It exists exactly while all centers of a demo have been linked."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from deploy.demo.building import directory_of
from deploy.demo.plan import Plan, PlannedCenter
from deploy.demo.processes import Processes, Running
from node.accounts.roles import Role
from node.federation.broker_files import BrokerFiles
from node.identity import write_private
from node.settings import load_settings

FILE = "demo.json"


class UserRecord(BaseModel):
    """A login."""

    model_config = ConfigDict(frozen=True)

    username: str
    password: str = Field(repr=False)


class BrokerRecord(BaseModel):
    """A center's nats-server."""

    model_config = ConfigDict(frozen=True)

    url: str
    pid: int | None
    config: str


class CenterRecord(BaseModel):
    """One center."""

    model_config = ConfigDict(frozen=True)

    code: str
    name: str
    level: str
    parent: str | None
    url: str
    data_dir: str
    database_url: str
    pid: int
    argv: list[str]
    link_seed_file: str | None
    broker: BrokerRecord | None
    users: dict[Role, UserRecord]


class DemoRecord(BaseModel):
    """A running demo; ``pid`` is the process that started it all."""

    model_config = ConfigDict(frozen=True)

    pid: int
    centers: list[CenterRecord]


def write_record(directory: Path, plan: Plan, processes: Processes) -> DemoRecord:
    """Tell what runs where, readable only by us: it holds passwords."""
    running = {one.center.code: one for one in processes.running}
    record = DemoRecord(pid=os.getpid(), centers=[_center(directory, one, running[one.code]) for one in plan.centers])
    write_private(directory / FILE, record.model_dump_json(indent=1) + "\n")
    return record


def remove_record(directory: Path) -> None:
    """Nothing runs here, or not all of it yet."""
    (directory / FILE).unlink(missing_ok=True)


def url_of(one: PlannedCenter) -> str:
    """Where a center's pages and API are."""
    return f"http://127.0.0.1:{one.port}"


def _center(directory: Path, one: PlannedCenter, running: Running) -> CenterRecord:
    home = directory_of(directory, one.code)
    settings = load_settings(home, environment=False)
    return CenterRecord(
        code=one.code,
        name=one.name,
        level=one.level,
        parent=one.parent,
        url=url_of(one),
        data_dir=str(home),
        database_url=settings.database_url,
        pid=running.process.pid,
        argv=running.argv,
        link_seed_file=None if settings.link_seed_file is None else str(settings.link_seed_file),
        broker=_broker(settings.broker_dir, one.broker_port),
        users={role: UserRecord(username=user.username, password=user.password) for role, user in one.users.items()},
    )


def _broker(directory: Path, port: int | None) -> BrokerRecord | None:
    if port is None:
        return None
    files = BrokerFiles(directory)
    pid = int(files.pid.read_text(encoding="ascii")) if files.pid.exists() else None
    return BrokerRecord(url=f"nats://127.0.0.1:{port}", pid=pid, config=str(files.config))
