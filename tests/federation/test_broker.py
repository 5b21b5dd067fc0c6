"""The broker: who may do what, who is let in and cut off, and what happens when it dies."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import nats.errors
import pytest
from pydantic import ValidationError

from node.federation.broker import (
    BrokerConfig,
    BrokerFailed,
    BrokerMissing,
    BrokerPortTaken,
    BrokerRefusedConfig,
    SupervisedBroker,
    reload_broker,
    render_config,
    users_snippet,
)
from node.federation.broker_files import BrokerFiles
from node.federation.broker_process import ServerProcess, find_server, launch
from node.federation.broker_tls import TlsFiles
from node.federation.nkey import new_user_seed
from tests.federation.brokers import ANNA, BERT, PARENT, Keys, Listener, free_port, stranger, town
from tests.freezing import freeze

# ---------------------------------------------------------------- permissions


def test_a_child_and_its_parent_hear_each_other(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna, bert = await here.hub(), await here.child(ANNA), await here.child(BERT)
            await anna.transport.publish(f"up.{ANNA}", b"hello")
            await anna.transport.publish(f"st.{ANNA}", b"counters")
            assert await hub.heard(2) == [(f"up.{ANNA}", b"hello"), (f"st.{ANNA}", b"counters")]
            await hub.transport.publish(f"dn.{ANNA}", b"welcome")
            assert await anna.heard() == [(f"dn.{ANNA}", b"welcome")]
            assert await bert.settled() == []

    asyncio.run(scene())


def test_a_child_cannot_speak_for_anybody_else(tmp_path: Path) -> None:
    forbidden = [
        f"up.{BERT}",
        f"st.{BERT}",
        f"dn.{BERT}",
        f"dn.{ANNA}",
        f"up.{ANNA}.more",
        "up.hub",
        f"_INBOX_{BERT}.1",
        "_INBOX_hub.1",
        f"_INBOX_{ANNA}.1",
        "$SYS.REQ.USER.INFO",
        "$JS.API.INFO",
        "anything",
    ]

    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, bert = await here.hub(), await here.child(BERT)
            async with stranger(here.broker.client_url, here.keys.children[ANNA][0]) as anna:
                for subject in forbidden:
                    await anna.client.publish(subject, b"forged")
                    assert "permissions violation for publish" in await anna.refused(), subject
            assert await hub.settled() == []
            assert await bert.settled() == []

    asyncio.run(scene())


def test_a_child_cannot_listen_to_anybody_else(tmp_path: Path) -> None:
    forbidden = [
        f"dn.{BERT}",
        "dn.*",
        "dn.>",
        ">",
        "*",
        "*.*",
        f"*.{ANNA}",
        f"up.{ANNA}",
        "up.*",
        "st.>",
        "_INBOX.>",
        "_INBOX_hub.>",
        f"_INBOX_{BERT}.>",
        "$SYS.>",
        "$JS.>",
    ]

    async def scene() -> None:
        async with town(tmp_path) as here:
            hub = await here.hub()
            async with stranger(here.broker.client_url, here.keys.children[ANNA][0]) as anna:
                for subject in forbidden:
                    subscription = await anna.client.subscribe(subject)
                    assert "permissions violation for subscription" in await anna.refused(), subject
                    await subscription.unsubscribe()
                own = await anna.client.subscribe(f"dn.{ANNA}")
                assert await anna.refused() == ""
                await hub.transport.publish(f"dn.{BERT}", b"not for you")
                await hub.transport.publish(f"dn.{ANNA}", b"for you")
                assert (await own.next_msg()).data == b"for you"

    asyncio.run(scene())


def test_nobody_can_draw_frames_away_with_a_queue_group(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            keys = here.keys
            for seed, subject in [(keys.children[ANNA][0], f"dn.{ANNA}"), (keys.hub[0], "up.*")]:
                async with stranger(here.broker.client_url, seed) as thief:
                    await thief.client.subscribe(subject, queue="workers")
                    assert "permissions violation for subscription" in await thief.refused()

    asyncio.run(scene())


def test_a_reply_subject_opens_no_way_around(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            bert = await here.child(BERT)
            url, keys = here.broker.client_url, here.keys
            async with stranger(url, keys.hub[0]) as hub, stranger(url, keys.children[ANNA][0]) as anna:
                asked = await hub.client.subscribe("up.*")
                told = await anna.client.subscribe(f"dn.{ANNA}")
                assert await hub.refused() == await anna.refused() == ""
                # A question gives the one who is asked no right to answer where it could not publish before.
                await anna.client.publish(f"up.{ANNA}", b"?", reply=f"_INBOX_{ANNA}.1")
                await (await asked.next_msg()).respond(b"!")
                assert "permissions violation for publish" in await hub.refused()
                await hub.client.publish(f"dn.{ANNA}", b"?", reply="_INBOX_hub.1")
                await (await told.next_msg()).respond(b"!")
                assert "permissions violation for publish" in await anna.refused()
            # And our own hub answers no reply subject at all, not even one that it could publish on.
            real_hub = await here.hub()
            async with stranger(url, keys.children[ANNA][0]) as anna:
                await anna.client.publish(f"up.{ANNA}", b"?", reply=f"dn.{BERT}")
                await real_hub.heard()
            assert await bert.settled() == []

    asyncio.run(scene())


def test_nobody_gets_in_without_an_enrolled_key(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            for seed in (new_user_seed()[0], None):
                with pytest.raises(nats.errors.Error, match="Authorization Violation"):
                    async with stranger(here.broker.client_url, seed):
                        raise AssertionError("came in")

    asyncio.run(scene())


# ---------------------------------------------------------------- enrolment and revocation


def test_revocation_cuts_one_child_off_within_a_second_and_disturbs_nobody(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna, bert = await here.hub(), await here.child(ANNA), await here.child(BERT)
            pid, began = here.broker.pid, time.monotonic()
            # As the command line does it, which is another process than the center.
            assert await asyncio.to_thread(reload_broker, here.directory, here.keys.config(BERT, port=here.port))
            await anna.disconnected()
            assert time.monotonic() - began < 1.0
            await bert.transport.publish(f"up.{BERT}", b"still here")
            assert await hub.heard() == [(f"up.{BERT}", b"still here")]
            assert (hub.states, bert.states) == ([True], [True])
            assert here.broker.pid == pid

    asyncio.run(scene())


def test_a_new_child_gets_in_without_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            carl = "532923102203"
            here.keys.children[carl] = new_user_seed()
            hub, anna, pid = await here.hub(), await here.child(ANNA), here.broker.pid
            await here.broker.reload(here.keys.config(ANNA, BERT, carl, port=here.port))
            newcomer = await here.child(carl)
            await newcomer.transport.publish(f"up.{carl}", b"hello")
            assert await hub.heard() == [(f"up.{carl}", b"hello")]
            assert here.broker.pid == pid
            assert (hub.states, anna.states) == ([True], [True])

    asyncio.run(scene())


def test_a_child_with_a_new_key_replaces_the_one_with_the_old_key(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            before = await here.child(ANNA)
            here.keys.children[ANNA] = new_user_seed()
            await here.broker.reload(here.keys.config(ANNA, BERT, port=here.port))
            await before.disconnected()
            assert (await here.child(ANNA)).transport.connected

    asyncio.run(scene())


def test_a_configuration_that_the_server_refuses_never_replaces_a_good_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna, good = await here.child(ANNA), here.broker.config_file.read_text()
            nowhere = tmp_path / "nowhere.pem"
            broken = TlsFiles(ca_file=nowhere, cert_file=nowhere, key_file=nowhere)
            with pytest.raises(BrokerRefusedConfig, match=r"nowhere\.pem"):
                await here.broker.reload(here.keys.config(port=here.port, tls=broken))
            assert here.broker.config_file.read_text() == good
            assert await anna.settled() == []

    asyncio.run(scene())


def test_a_configuration_for_a_broker_that_does_not_run_waits_for_its_start(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            assert not reload_broker(tmp_path, here.keys.config(ANNA, port=here.port))
            assert here.keys.children[ANNA][1] in here.broker.config_file.read_text()

    asyncio.run(scene())


# ---------------------------------------------------------------- life and death


def test_a_killed_broker_is_started_again_and_everybody_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna, pid = await here.hub(), await here.child(ANNA), here.broker.pid
            assert pid is not None
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            await hub.states_are(True, False, True)
            await anna.states_are(True, False, True)
            assert time.monotonic() - began < 2.0
            assert here.broker.pid not in (None, pid)
            assert (here.broker.restarts, here.broker.last_error) == (1, None)
            await anna.transport.publish(f"up.{ANNA}", b"back")
            assert await hub.heard() == [(f"up.{ANNA}", b"back")]

    asyncio.run(scene())


@pytest.mark.parametrize("first", ["directory", "server"])
def test_a_broker_whose_directory_was_deleted_is_started_again(tmp_path: Path, first: str) -> None:
    async def scene() -> None:
        async with town(tmp_path / "broker") as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            pid = here.broker.pid
            assert pid is not None
            if first == "server":
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(tmp_path / "broker")
            if first == "directory":
                os.kill(pid, signal.SIGKILL)
            await hub.states_are(True, False, True)
            await anna.states_are(True, False, True)
            await anna.transport.publish(f"up.{ANNA}", b"hello again")
            assert await hub.heard() == [(f"up.{ANNA}", b"hello again")]

    asyncio.run(scene())


def test_a_directory_that_cannot_be_written_is_said_clearly_and_can_be_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path / "broker", start=False) as here:
            shutil.rmtree(tmp_path / "broker")
            (tmp_path / "broker").write_text("in the way")
            with pytest.raises(BrokerFailed, match="can't be written"):
                await here.broker.start()
            (tmp_path / "broker").unlink()
            await here.broker.start()
            await here.child(ANNA)

    asyncio.run(scene())


def test_a_restarted_broker_works_by_what_the_command_line_put_in_place(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            pid = here.broker.pid
            assert pid is not None
            freeze(pid)
            BrokerFiles(tmp_path).install(here.keys.config(BERT, port=here.port), find_server())
            os.kill(pid, signal.SIGKILL)
            await here.child(BERT)
            with pytest.raises(nats.errors.Error, match="Authorization Violation"):
                async with stranger(here.broker.client_url, here.keys.children[ANNA][0]):
                    raise AssertionError("came in")

    asyncio.run(scene())


def test_a_stopped_broker_is_gone_and_leaves_its_port(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            pid = here.broker.pid
            assert pid is not None
            await here.broker.stop()
            await here.broker.stop()
            assert here.broker.pid is None
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", here.port))

    asyncio.run(scene())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start takes the server over")
def test_a_broker_dies_with_its_center_even_if_that_is_killed(tmp_path: Path) -> None:
    keys = Keys()
    center = f"""
import asyncio, pathlib, sys
from node.federation.broker import BrokerConfig, SupervisedBroker
async def live():
    config = BrokerConfig.model_validate_json({keys.config(port=free_port()).model_dump_json()!r})
    broker = SupervisedBroker(pathlib.Path(sys.argv[1]), config)
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(live())
"""
    with subprocess.Popen([sys.executable, "-c", center, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        orphan = ServerProcess(int(process.stdout.readline()))
        assert orphan.alive
        process.kill()

        async def scene() -> None:
            try:
                async with asyncio.timeout(5):
                    await orphan.wait()
            finally:
                await orphan.stop(1)

        asyncio.run(scene())


@pytest.mark.parametrize("nats", [False, True], ids=["some program", "another center's broker"])
def test_a_taken_port_is_said_clearly_and_can_be_tried_again(tmp_path: Path, *, nats: bool) -> None:
    async def scene() -> None:
        async with town(tmp_path / "ours", start=False) as here:
            squatter = socket.socket()
            other = SupervisedBroker(tmp_path / "other", Keys().config(port=here.port))
            if nats:
                await other.start()
            else:
                squatter.bind(("127.0.0.1", here.port))
                squatter.listen()
            with pytest.raises(BrokerPortTaken, match=f"port {here.port} on 127.0.0.1 is taken by another"):
                await here.broker.start()
            assert not here.broker.running
            assert "taken" in str(here.broker.last_error)
            squatter.close()
            await other.stop()
            await here.broker.start()
            assert (here.broker.running, here.broker.last_error) == (True, None)

    asyncio.run(scene())


def test_a_missing_server_program_is_said_clearly(tmp_path: Path) -> None:
    broker = SupervisedBroker(tmp_path, Keys().config(port=free_port()), program=tmp_path / "nats-server")
    with pytest.raises(BrokerMissing, match="nats-server: No such file"):
        asyncio.run(broker.start())


# ---------------------------------------------------------------- taking over


def left_behind(directory: Path, config: BrokerConfig) -> ServerProcess:
    """Start a server as an earlier run would have left it."""
    files = BrokerFiles(directory)
    files.install(config, find_server())
    return launch(find_server(), files.arguments, files.log)


def test_a_broker_that_an_earlier_run_left_is_taken_over_with_its_children(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            left = left_behind(tmp_path, here.keys.config(ANNA, port=here.port))
            anna = await here.child(ANNA)
            await here.broker.start()
            assert (here.broker.pid, here.broker.adopted) == (left.pid, True)
            await here.child(BERT)  # whom only the present run has enrolled
            assert anna.states == [True]
            # From here on it is ours: waited for, and replaced when it dies.
            os.kill(left.pid, signal.SIGKILL)
            await anna.states_are(True, False, True)
            assert not left.alive
            assert (here.broker.restarts, here.broker.adopted) == (1, False)

    asyncio.run(scene())


def test_a_left_broker_that_cannot_take_the_configuration_is_replaced(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            left = left_behind(tmp_path, here.keys.config(ANNA, port=free_port()))
            while "Server is ready" not in BrokerFiles(tmp_path).log_since(0):  # noqa: ASYNC110 - it is a file
                await asyncio.sleep(0.01)
            await here.broker.start()
            await here.child(ANNA)
            assert not left.alive

    asyncio.run(scene())


@pytest.mark.parametrize("content", ["", "none", "-1", "0", "OTHER"])
def test_a_pid_file_is_not_believed_without_proof(tmp_path: Path, content: str) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            assert here.broker.running
            assert not here.broker.adopted

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (tmp_path / "nats.pid").write_text(content.replace("OTHER", str(bystander.pid)))
        asyncio.run(scene())
        assert bystander.poll() is None
        bystander.communicate(b"\n")


# ---------------------------------------------------------------- what is written


def test_the_same_configuration_gives_the_same_text() -> None:
    keys = Keys()
    one, other = keys.config(ANNA, BERT, port=4222), keys.config(BERT, ANNA, port=4222)
    assert render_config(one) == render_config(other)
    assert users_snippet(one) == users_snippet(other)


def test_the_configuration_file_is_the_owner_s_alone(tmp_path: Path) -> None:
    reload_broker(tmp_path, Keys().config(port=4222))
    assert stat.S_IMODE((tmp_path / "nats.conf").stat().st_mode) == 0o600


def test_a_broker_that_others_can_reach_needs_tls() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "town.example"):  # noqa: S104 - refused
        with pytest.raises(ValidationError, match="needs TLS"):
            BrokerConfig(code=PARENT, host=host, port=4222, hub_key=new_user_seed()[1])


@pytest.mark.parametrize(
    "children",
    [{"*": "KEY"}, {">": "KEY"}, {"hub": "KEY"}, {"53292310220": "KEY"}, {ANNA: "UKEY"}, {ANNA: "HUB"}],
    ids=str,
)
def test_a_child_that_would_widen_the_permissions_is_refused(children: dict[str, str]) -> None:
    hub, key = new_user_seed()[1], new_user_seed()[1]
    named = {code: {"KEY": key, "HUB": hub}.get(value, value) for code, value in children.items()}
    with pytest.raises(ValidationError):
        BrokerConfig(code=PARENT, port=4222, hub_key=hub, children=named)


def test_an_external_server_works_by_the_users_that_we_print(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            neighbours = Keys()
            for keys, code in ((here.keys, PARENT), (neighbours, "532923103000")):
                config = keys.config(ANNA, BERT, port=here.port).model_copy(update={"code": code})
                (tmp_path / f"liandong-{code}.conf").write_text(users_snippet(config))
            includes = f"include './liandong-{PARENT}.conf'\n include './liandong-532923103000.conf'"
            (tmp_path / "nats.conf").write_text(f"listen: '127.0.0.1:{here.port}'\n accounts {{\n {includes}\n }}")
            files = BrokerFiles(tmp_path)
            server = launch(find_server(), files.arguments, files.log)
            try:
                hub, anna = await here.hub(), await here.child(ANNA)
                foreign_hub = Listener(here.transport(neighbours.hub[0], "foreign"))
                await foreign_hub.start("up.*")
                await foreign_hub.connected()
                await anna.transport.publish(f"up.{ANNA}", b"hello")
                assert await hub.heard() == [(f"up.{ANNA}", b"hello")]
                assert await foreign_hub.settled() == []
                async with stranger(here.broker.client_url, here.keys.children[ANNA][0]) as one:
                    await one.client.publish(f"up.{BERT}", b"forged")
                    assert "permissions violation" in await one.refused()
            finally:
                await server.stop(3)

    asyncio.run(scene())
