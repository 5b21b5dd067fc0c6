"""``liandong demo``: which centers it has, what it writes, and that a second start goes on where the first stopped."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.demo.matters import MATTERS
from deploy.demo.plan import STAFF, new_plan, read_plan
from deploy.demo.stories import STORIES
from node.divisions import divisions
from node.federation.nkey import public_of
from node.trouble import Trouble
from protocol.codes import Category
from tests.centers import free_ports
from tests.served import LIANDONG, environment, liandong

READY_WITHIN = 90
"""Seconds; forty are promised on two idle cores."""

ROLES = ["admin", "clerk", "mediator", "dispatcher", "director", "monitor"]


# --- the plan -------------------------------------------------------------------------------------------------------


def test_the_first_townships_and_villages_of_a_county_are_chosen() -> None:
    plan = new_plan("532923", townships=2, villages=2, first_port=8100)
    assert [one.level for one in plan.centers] == ["county", *["township"] * 2, *["village"] * 4]
    assert [one.name for one in plan.centers][:3] == ["祥云县", "祥城镇", "沙龙镇"]
    for one in plan.centers:
        division = divisions()[one.code]
        assert (one.name, one.level, one.parent) == (division.name, division.level, division.parent)


def test_ports_count_up_without_gaps_and_only_parents_have_brokers() -> None:
    plan = new_plan("532923000000", townships=2, villages=1, first_port=9000)
    assert sorted(plan.ports) == list(range(9000, 9000 + 5 + 3))
    for one in plan.centers:
        assert (one.broker_port is not None) == bool(plan.children(one.code))


def test_a_whole_county_can_be_shown() -> None:
    plan = new_plan("522635", townships=7, villages=100)
    assert len(plan.centers) == 78


@pytest.mark.parametrize(("county", "townships"), [("999999", 1), ("532923102000", 1), ("532923", 11)])
def test_what_the_divisions_do_not_have_is_refused(county: str, townships: int) -> None:
    with pytest.raises(Trouble):
        new_plan(county, townships=townships, villages=1)


def test_everybody_is_there_once_and_the_password_differs_from_demo_to_demo() -> None:
    plans = [new_plan("532923", townships=1, villages=1) for _ in range(2)]
    for one in plans[0].centers:
        assert set(one.users) == set(STAFF)
        assert len({user.display_name for user in one.users.values()}) == len(STAFF)
    passwords = [{user.password for one in plan.centers for user in one.users.values()} for plan in plans]
    assert passwords[0] != passwords[1]


def test_a_plan_is_kept_and_can_be_moved(tmp_path: Path) -> None:
    plan = new_plan("532923", townships=1, villages=1)
    assert read_plan(tmp_path) is None
    plan.write(tmp_path)
    assert read_plan(tmp_path) == plan
    moved = plan.moved(9500)
    assert min(moved.ports) == 9500
    assert [one.users for one in moved.centers] == [one.users for one in plan.centers]
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(Trouble, match=r"plan\.json"):
        read_plan(tmp_path)


def test_matters_are_of_every_kind_and_stories_varied() -> None:
    assert {matter.category for matter in MATTERS} == set(Category)
    assert {matter.title for _, matter in STORIES} == {matter.title for matter in MATTERS}
    assert len({story for story, _ in STORIES}) >= 20
    texts = [text for one in MATTERS for text in (one.title, one.facts, one.talk, one.gap, one.up, one.terms)]
    assert len(texts) == len(set(texts)), "nobody reads the same words twice"
    assert not any("{" in one.title for one in MATTERS), "invited centers see titles: no names"


# --- a real one -----------------------------------------------------------------------------------------------------


class Demo:
    """A running demo."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.log = directory.with_suffix(".log")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [LIANDONG, "demo", "--dir", str(directory), "--no-browser", *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment(),
            )

    @property
    def file(self) -> Path:
        """Where it tells what runs."""
        return self.directory / "demo.json"

    def words(self) -> str:
        """All that it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> dict[str, Any]:
        """Wait until all are linked."""
        self.until(self.file.exists)
        document: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        assert document["pid"] == self.process.pid
        return document

    def says(self, text: str) -> None:
        """Wait until it has said something."""
        self.until(lambda: text in self.words())

    def until(self, condition: Any) -> None:  # noqa: ANN401 - any callable without arguments
        """Wait for something while it runs."""
        deadline = time.monotonic() + READY_WITHIN
        while not condition():
            assert self.process.poll() is None, self.words()
            assert time.monotonic() < deadline, self.words()
            time.sleep(0.1)

    def stop(self) -> int:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def demo(directory: Path, *options: str) -> Iterator[Demo]:
    running = Demo(directory, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            running.process.wait(30)


@contextmanager
def api(center: dict[str, Any], role: str) -> Iterator[httpx2.Client]:
    """Somebody signed in at a center."""
    with httpx2.Client(base_url=f"{center['url']}/api/v1", timeout=20, trust_env=False) as client:
        token = client.post("/login", json=center["users"][role]).raise_for_status().json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


def check_record(document: dict[str, Any]) -> None:
    """``demo.json`` is as DESIGN section 8 says."""
    assert set(document) == {"pid", "centers"}
    for center in document["centers"]:
        assert set(center) == {
            "code", "name", "level", "parent", "url", "data_dir", "database_url", "pid", "argv", "link_seed_file",
            "broker", "users",
        }  # fmt: skip
        assert sorted(center["users"]) == sorted(ROLES)
        assert alive(center["pid"])
        assert Path(center["argv"][0]).is_absolute()
        assert center["argv"][1:] == ["serve", "--dir", center["data_dir"]]
        assert Path(center["database_url"].removeprefix("sqlite:///")).parent == Path(center["data_dir"])
        if center["parent"] is None:
            assert center["link_seed_file"] is None
        else:
            assert public_of(Path(center["link_seed_file"]).read_text(encoding="ascii"))
        if center["broker"] is not None:
            assert set(center["broker"]) == {"url", "pid", "config"}
            assert alive(center["broker"]["pid"])
            assert Path(center["broker"]["config"]).exists()
    assert [center["broker"] is not None for center in document["centers"]] == [True, True, False]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_demo_starts_is_used_stops_and_goes_on(tmp_path: Path) -> None:
    directory, port = tmp_path / "demo", free_ports(5)
    options = ("--townships", "1", "--villages", "1", "--port", str(port), "--cases", "3")
    with demo(directory, *options) as first:
        document = first.ready()
        check_record(document)
        assert stat.S_IMODE(first.file.stat().st_mode) == 0o600
        first.says("3 matters were played")
        county, township, village = document["centers"]
        assert village["name"] in first.words()
        assert village["url"] in first.words()
        with api(village, "director") as director:
            total = director.get("/cases").json()["total"]
            case = director.post(
                "/cases",
                json={"title": "水沟", "category": "neighbourhood", "place": "三组", "parties": [{"name": "王"}]},
            ).json()
        assert total >= 2
        with api(county, "monitor") as monitor:
            first.until(lambda: monitor.get("/status").json()["subtree"]["registered"] == 4)

        os.kill(village["pid"], signal.SIGKILL)
        first.says("is not started again")
        assert township["name"] not in first.words().rsplit("ended", 1)[-1]
        assert first.process.poll() is None, "and the others run on"

        pids = [center["pid"] for center in document["centers"]]
        pids += [center["broker"]["pid"] for center in document["centers"] if center["broker"]]
        assert first.stop() == 0
        assert not [pid for pid in pids if alive(pid)]
        assert not first.file.exists()

    with demo(directory, "--port", str(free_ports(5))) as second:
        again = second.ready()
        check_record(again)
        assert [center["url"] for center in again["centers"]] != [center["url"] for center in document["centers"]]
        assert [center["users"] for center in again["centers"]] == [center["users"] for center in document["centers"]]
        with api(again["centers"][2], "director") as director:
            assert director.get(f"/cases/{case['id']}").json()["title"] == "水沟"
            assert director.get("/cases").json()["total"] == total + 1, "nothing was played again"
        assert second.stop() == 0


@pytest.mark.slow
def test_a_demo_whose_ports_are_taken_starts_nothing(tmp_path: Path) -> None:
    port = free_ports(5)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 2))
        other.listen()
        options = ("--townships", "1", "--villages", "1", "--port", str(port), "--no-browser")
        result = liandong("demo", "--dir", str(tmp_path / "demo"), *options)
    assert result.returncode == 5
    assert str(port + 2) in result.stderr
    assert not (tmp_path / "demo" / "centers").exists()
