"""TLS between machines: one authority for each parent, nothing in the clear, nobody else believed."""

import asyncio
import contextlib
import socket
import ssl
import stat
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from node.federation.broker_tls import TlsFiles, issue_server_certificate, make_authority, needs_tls
from tests.federation.brokers import ANNA, PARENT, Listener, Town, town

HOSTS = ["town.example", "192.168.1.5"]
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)


def make_files(directory: Path) -> TlsFiles:
    make_authority(directory, PARENT)
    return issue_server_certificate(directory, HOSTS)


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


async def refusal(here: Town, *, url: str | None = None, ca_file: Path | None) -> str:
    """Return why a child with the right key does not get in."""
    transport = here.transport(here.keys.children[ANNA][0], ANNA, url=url, ca_file=ca_file)
    listener = Listener(transport)
    await listener.start(f"dn.{ANNA}")
    while transport.last_error is None:  # noqa: ASYNC110 - nobody is told of an attempt
        await asyncio.sleep(0.01)
    await transport.close()
    assert listener.states == []
    return transport.last_error


# ---------------------------------------------------------------- on the wire


def test_a_child_that_trusts_the_parent_s_authority_gets_in(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")

    async def scene() -> None:
        async with town(tmp_path, tls=files) as here:
            assert here.broker.client_url.startswith("tls://127.0.0.1:")
            hub = Listener(here.transport(here.keys.hub[0], "hub", ca_file=files.ca_file))
            anna = Listener(
                here.transport(
                    here.keys.children[ANNA][0],
                    ANNA,
                    ca_file=files.ca_file,
                    url=f"tls://localhost:{here.port}",
                )
            )
            await hub.start("up.*")
            await anna.start(f"dn.{ANNA}")
            await hub.connected()
            await anna.connected()
            await anna.transport.publish(f"up.{ANNA}", bytes(500_000))
            assert await hub.heard() == [(f"up.{ANNA}", bytes(500_000))]

    asyncio.run(scene())


def test_another_authority_is_not_believed(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")
    other = make_authority(tmp_path / "other", PARENT)

    async def scene() -> None:
        async with town(tmp_path, tls=files) as here:
            assert "is not trusted" in await refusal(here, ca_file=other)
            assert "is not trusted" in await refusal(here, ca_file=None)  # the system's authorities

    asyncio.run(scene())


def test_a_certificate_that_does_not_name_the_host_is_not_believed(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")

    async def scene() -> None:
        async with town(tmp_path, host="127.0.0.2", tls=files) as here:
            assert "mismatch" in await refusal(here, ca_file=files.ca_file)

    asyncio.run(scene())


def test_the_broker_lets_nobody_in_who_speaks_in_the_clear(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")

    async def scene() -> None:
        async with town(tmp_path, tls=files) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            assert b'"tls_required":true' in await reader.readline()
            writer.write(b'CONNECT {"verbose":true}\r\nPING\r\n')
            with contextlib.suppress(ConnectionResetError):
                said = await reader.read()
                assert b"PONG" not in said
                assert b"+OK" not in said
            writer.close()

    asyncio.run(scene())


@pytest.mark.parametrize("scheme", ["nats", "tls"])
def test_a_child_says_nothing_to_a_broker_that_offers_no_tls(tmp_path: Path, scheme: str) -> None:
    ca_file = make_authority(tmp_path / "tls", PARENT)

    async def scene() -> None:
        said: list[bytes] = []

        async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"server_id":"x","max_payload":1048576,"auth_required":true,"nonce":"x"}\r\n')
            said.append(await reader.read())
            writer.close()

        async with town(tmp_path, start=False) as here:
            server = await asyncio.start_server(impostor, "127.0.0.1", here.port)
            url = f"{scheme}://127.0.0.1:{here.port}"
            assert "offers no TLS" in await refusal(here, url=url, ca_file=ca_file)
            server.close()
            await server.wait_closed()
        assert b"".join(said) == b""

    asyncio.run(scene())


def test_tls_older_than_1_2_is_refused(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")

    async def scene() -> None:
        async with town(tmp_path, tls=files) as here:
            for version, accepted in (
                (ssl.TLSVersion.TLSv1_1, False),
                (ssl.TLSVersion.TLSv1_2, True),
                (ssl.TLSVersion.TLSv1_3, True),
            ):
                assert await asyncio.to_thread(shakes_hands, here.port, files, version) is accepted

    asyncio.run(scene())


def shakes_hands(port: int, files: TlsFiles, version: ssl.TLSVersion) -> bool:
    """Tell whether the broker takes exactly this version of TLS."""
    context = ssl.create_default_context(cafile=str(files.ca_file))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL itself would offer nothing so old
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port)) as plain:
        assert plain.recv(4096).startswith(b"INFO ")
        try:
            with context.wrap_socket(plain, server_hostname="localhost"):
                return True
        except (ssl.SSLError, ConnectionResetError):
            return False


def test_a_new_certificate_is_used_after_a_reload_and_nobody_is_disturbed(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls")

    async def scene() -> None:
        async with town(tmp_path, tls=files) as here:
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA, ca_file=files.ca_file))
            await anna.start(f"dn.{ANNA}")
            await anna.connected()
            before = await asyncio.to_thread(served, here.port, files)
            renewed = issue_server_certificate(tmp_path / "tls", [*HOSTS, "new.example"])
            assert renewed == files
            await here.broker.reload(here.broker.config)
            after = await asyncio.to_thread(served, here.port, files)
            assert before != after == certificate(files.cert_file).serial_number
            await anna.transport.round_trip()
            assert anna.states == [True]

    asyncio.run(scene())


def served(port: int, files: TlsFiles) -> int:
    """Return the serial number of the certificate that the broker shows."""
    context = ssl.create_default_context(cafile=str(files.ca_file))
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.recv(4096)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


# ---------------------------------------------------------------- certificates


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    first = make_authority(tmp_path, PARENT).read_bytes()
    assert make_authority(tmp_path, PARENT).read_bytes() == first
    lifetime = certificate(tmp_path / "ca.pem").not_valid_after_utc - datetime.now(UTC)
    assert lifetime > timedelta(days=3650)


def test_keys_are_the_owner_s_alone(tmp_path: Path) -> None:
    make_files(tmp_path)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_good_certificate_is_kept(tmp_path: Path) -> None:
    make_authority(tmp_path, PARENT, now=NOW)
    first = issue_server_certificate(tmp_path, HOSTS, now=NOW).cert_file.read_bytes()
    later = NOW + timedelta(days=700)
    assert issue_server_certificate(tmp_path, HOSTS[::-1], now=later).cert_file.read_bytes() == first


@pytest.mark.parametrize("trouble", ["new host", "soon over", "new authority", "other key", "damaged"])
def test_a_certificate_that_does_not_do_any_more_is_replaced(tmp_path: Path, trouble: str) -> None:
    hosts, now = list(HOSTS), NOW
    make_authority(tmp_path, PARENT, now=now)
    files = issue_server_certificate(tmp_path, hosts, now=now)
    first = files.cert_file.read_bytes()
    match trouble:
        case "new host":
            hosts.append("other.example")
        case "soon over":
            now += timedelta(days=740)
        case "new authority":
            (tmp_path / "ca.pem").unlink()
            make_authority(tmp_path, PARENT, now=now)
        case "other key":
            files.key_file.write_bytes((tmp_path / "ca.key").read_bytes())
        case _:
            files.cert_file.write_text("-----BEGIN CERTIFICATE-----")
    again = issue_server_certificate(tmp_path, hosts, now=now)
    assert again == files
    assert files.cert_file.read_bytes() not in (first, b"-----BEGIN CERTIFICATE-----")
    certificate(files.cert_file).verify_directly_issued_by(certificate(files.ca_file))
    assert certificate(files.cert_file).not_valid_after_utc > now + timedelta(days=800)


def test_a_server_certificate_never_outlives_its_authority(tmp_path: Path) -> None:
    make_authority(tmp_path, PARENT, now=NOW)
    late = NOW + timedelta(days=3500)
    files = issue_server_certificate(tmp_path, HOSTS, now=late)
    assert certificate(files.cert_file).not_valid_after_utc == certificate(files.ca_file).not_valid_after_utc


def test_a_certificate_is_valid_on_a_machine_whose_clock_is_behind(tmp_path: Path) -> None:
    make_authority(tmp_path, PARENT, now=NOW)
    files = issue_server_certificate(tmp_path, HOSTS, now=NOW)
    for file in (files.ca_file, files.cert_file):
        assert certificate(file).not_valid_before_utc < NOW - timedelta(days=7)


@pytest.mark.parametrize(
    ("host", "needed"),
    [
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("::1", False),
        ("[::1]", False),
        ("localhost", False),
        ("LOCALHOST", False),
        ("0.0.0.0", True),  # noqa: S104 - nothing is bound
        ("::", True),
        ("192.168.1.5", True),
        ("town.example", True),
        ("localhost.example", True),
        ("127.0.0.1.example", True),
        ("", True),
    ],
)
def test_tls_is_needed_wherever_traffic_can_leave_the_machine(host: str, *, needed: bool) -> None:
    assert needs_tls(host) is needed
