"""``liandong serve`` and the commands beside it, as processes: ports, locks, joining, and a cut within a second."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from node.federation.broker_files import BrokerFiles
from node.federation.broker_process import find_running
from node.settings import OwnBroker
from tests.centers import COUNTY, NEIGHBOUR, TOWNSHIP, Family, Made, family, free_ports
from tests.served import Served, liandong, serving

pytestmark = pytest.mark.slow

CUT_WITHIN = 1.0
"""Seconds from the end of ``revoke`` until the child has lost its link."""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    first = free_ports(2)
    return people.root(port=first, broker=OwnBroker(port=first + 1))


def serve(stack: ExitStack, made: Made) -> Served:
    return stack.enter_context(serving(made.directory, made.settings.port))


def broker_pid(made: Made) -> int | None:
    files = BrokerFiles(made.settings.broker_dir)
    return find_running(files.pid, files.config)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_center_stops_in_order_and_takes_its_broker_with_it(root: Made, number: signal.Signals) -> None:
    with serving(root.directory, root.settings.port) as served:
        served.ready()
        deadline = time.monotonic() + 10
        while broker_pid(root) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert broker_pid(root) is not None
        assert served.stop(number) == 0
        assert broker_pid(root) is None
        lines = [json.loads(line) for line in served.words().splitlines()]
    assert [line["event"] for line in lines if line["logger"] == "node.serve"] == [
        "center.starting",
        "center.started",
        "center.stopped",
    ]


def test_a_taken_port_is_told_in_one_line(root: Made) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", root.settings.port))
        other.listen()
        result = liandong("serve", "-d", str(root.directory))
    assert result.returncode == 5
    assert str(root.settings.port) in result.stderr
    assert "center.toml" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_address_that_is_not_ours_is_told(root: Made) -> None:
    toml = root.directory / "center.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace('host = "127.0.0.1"', 'host = "203.0.113.9"', 1))
    result = liandong("serve", "-d", str(root.directory))
    assert result.returncode == 5
    assert "203.0.113.9" in result.stderr


def test_one_directory_is_served_once(root: Made) -> None:
    with serving(root.directory, root.settings.port) as served:
        served.ready()
        result = liandong("serve", "-d", str(root.directory))
        assert result.returncode == 1
        assert f"process {served.process.pid}" in result.stderr


def test_a_center_works_without_its_broker(root: Made) -> None:
    assert isinstance(root.settings.broker, OwnBroker)
    with socket.socket() as other, serving(root.directory, root.settings.port) as served:
        other.bind(("127.0.0.1", root.settings.broker.port))
        other.listen()
        served.ready()
        assert "broker.not_started" in served.words() or served.get("/healthz") == {"status": "ok"}
        other.close()
        deadline = time.monotonic() + 20
        while broker_pid(root) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert broker_pid(root) is not None, "it is started when the port is free again"


def test_a_center_starts_while_its_parent_is_away(people: Family, root: Made) -> None:
    first = free_ports(2)
    child = people.child(root, TOWNSHIP, port=first, broker=OwnBroker(port=first + 1))
    with serving(child.directory, child.settings.port) as served:
        served.until(lambda told: told["parent"] == "offline")


def test_a_newer_schema_is_refused_at_the_start(root: Made) -> None:
    root.center.database.dispose()
    with closing(sqlite3.connect(root.directory / "center.db")) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    result = liandong("serve", "-d", str(root.directory))
    assert result.returncode == 4
    assert "9999" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_database_that_stays_locked_is_told(root: Made) -> None:
    root.center.database.dispose()
    with closing(sqlite3.connect(root.directory / "center.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        result = liandong("serve", "-d", str(root.directory))
    assert result.returncode == 4
    assert "locked" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_child_joins_by_its_file_and_is_cut_off_within_a_second(people: Family, root: Made, tmp_path: Path) -> None:
    """Everything by the command line, while the parent runs; a sibling notices nothing."""
    ports = free_ports(4)
    with ExitStack() as stack:
        served = serve(stack, root)
        served.ready()
        children = []
        for number, code in enumerate((TOWNSHIP, NEIGHBOUR)):
            file, there = tmp_path / f"{code}.json", tmp_path / f"joined-{code}"
            enrolled = liandong("enroll", code, "-d", str(root.directory), "--out", str(file))
            assert enrolled.returncode == 0, enrolled.stderr
            joined = liandong("join", str(file), "-d", str(there), "--port", str(ports + number))
            assert joined.returncode == 0, joined.stderr
            child = stack.enter_context(serving(there, ports + number))
            child.linked()
            children.append(child)
        child, sibling = children
        before = sessions(root)
        revoked = liandong("revoke", TOWNSHIP, "-d", str(root.directory), "--yes")
        assert revoked.returncode == 0, revoked.stderr
        child.until(lambda told: told["parent"] == "offline", within=CUT_WITHIN)
        time.sleep(2)
        told = sibling.get("/readyz")
        assert told is not None
        assert told["parent"] == "linked"
        assert sessions(root) == {NEIGHBOUR: before[NEIGHBOUR]}, "the sibling's session is the same"
        after = child.get("/readyz")
        assert after is not None
        assert after["parent"] == "offline", "and the child stays out"
        assert after["status"] == "ready", "but can work on by itself"


def sessions(made: Made) -> dict[str, str]:
    """When each child last said HELLO; a broken session would have brought a later one."""
    result = liandong("links", "--json", "-d", str(made.directory))
    return {link["peer"]: link["last_hello_at"] for link in json.loads(result.stdout)}


def test_enrolled_again_only_the_new_one_can_link(people: Family, root: Made, tmp_path: Path) -> None:
    first = free_ports(2)
    old = people.child(root, TOWNSHIP, port=first, broker=OwnBroker(port=first + 1))
    port = free_ports(1)
    with ExitStack() as stack:
        serve(stack, root).ready()
        before = serve(stack, old)
        before.linked()
        again = liandong("enroll", TOWNSHIP, "-d", str(root.directory), "--out", str(tmp_path / "j.json"), "--again")
        assert again.returncode == 0, again.stderr
        before.until(lambda told: told["parent"] == "offline")
        joined = liandong("join", str(tmp_path / "j.json"), "-d", str(tmp_path / "new"), "--port", str(port))
        assert joined.returncode == 0, joined.stderr
        stack.enter_context(serving(tmp_path / "new", port)).linked()
        told = before.get("/readyz")
        assert told is not None
        assert told["parent"] == "offline"


def test_the_environment_of_a_container_counts(root: Made) -> None:
    port = free_ports(1)
    with serving(root.directory, port, LIANDONG_PORT=str(port)) as served:
        served.ready()
        assert COUNTY in served.words()


def test_outside_of_loopback_everything_goes_over_tls(people: Family, tmp_path: Path) -> None:
    """The broker listens on every address, hence speaks TLS by its own authority, which the join file brings."""
    first, port = free_ports(2), free_ports(1)
    everywhere = OwnBroker(host="0.0.0.0", port=first + 1, names=("127.0.0.1",))  # noqa: S104 - over TLS
    root = people.root(port=first, broker=everywhere)
    root.enroll(TOWNSHIP).write(tmp_path / "join.json")
    assert (
        liandong("join", str(tmp_path / "join.json"), "-d", str(tmp_path / "there"), "--port", str(port)).returncode
        == 0
    )
    assert f"tls://127.0.0.1:{first + 1}" in (tmp_path / "there" / "center.toml").read_text(encoding="utf-8")
    with ExitStack() as stack:
        serve(stack, root).ready()
        child = stack.enter_context(serving(tmp_path / "there", port))
        child.linked()
        with socket.create_connection(("127.0.0.1", first + 1)) as stranger:
            assert b'"tls_required":true' in stranger.recv(4096)


def test_a_killed_demo_leaves_nothing_running(tmp_path: Path) -> None:
    port = free_ports(3)
    arguments = ["demo", "--dir", str(tmp_path / "demo"), "--townships", "1", "--villages", "0", "--cases", "0"]
    running = Served([*arguments, "--port", str(port), "--no-browser"], port, tmp_path / "demo.log", {})
    deadline = time.monotonic() + 60
    while not (tmp_path / "demo" / "demo.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    record = json.loads((tmp_path / "demo" / "demo.json").read_text(encoding="utf-8"))
    pids = [center["pid"] for center in record["centers"]]
    running.stop(signal.SIGKILL)
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


SELDOM_NEEDED = frozenset(
    {"alembic", "docx", "docxtpl", "httpx2", "lxml", "puremagic", "python_calamine", "segno", "xlsxwriter"}
    | {"sqlalchemy.dialects.postgresql"}
)
"""Together 25 MB, for papers, ledgers, uploads, and a database that few have."""


def test_a_center_starts_without_what_it_needs_seldom() -> None:
    told = "import sys, node.commands.serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert SELDOM_NEEDED.isdisjoint(done.stdout.split())
