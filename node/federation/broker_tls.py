"""The files with which a broker proves who it is to children on other machines.

Every parent has an authority of its own (``ca.pem``, ``ca.key``), made once. Its certificate goes into the
join files and is all that a child trusts, so no public authority, and no other parent, can stand in for this
broker. The server's certificate is short-lived by comparison and issued again from the same authority
whenever it must be; children notice nothing. Children prove themselves with their NKeys, not with
certificates.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from node.clock import SystemClock
from node.federation.private_file import write_private

ALWAYS_NAMED = ("localhost", "127.0.0.1", "::1")
"""The center itself connects to its broker from the same machine."""


class TlsFiles(BaseModel):
    """The files of a broker's TLS.

    Attributes:
        ca_file: certificate of the authority; what children trust.
        cert_file: the server's certificate.
        key_file: the server's key.
    """

    model_config = ConfigDict(frozen=True)

    ca_file: Path
    cert_file: Path
    key_file: Path


def needs_tls(host: str) -> bool:
    """Tell whether traffic to this host, or to a server that listens on it, can leave the machine."""
    if host.lower() == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return True


def make_authority(directory: Path, code: str, *, now: datetime | None = None) -> Path:
    """Make the authority of a center, unless it is there already; return the file of its certificate.

    Args:
        directory: where ``ca.pem`` and ``ca.key`` are kept, both with mode 600.
        code: the center's code, for the name in the certificate.
        now: the instant of issue; the system's without it.
    """
    ca_file, key_file = directory / "ca.pem", directory / "ca.key"
    if not (ca_file.exists() and key_file.exists()):
        from node.federation.broker_authority import new_authority  # noqa: PLC0415 - memory

        certificate, key = new_authority(code, now or SystemClock().now())
        write_private(key_file, key)
        write_private(ca_file, certificate)
    return ca_file


def issue_server_certificate(directory: Path, hosts: Sequence[str], *, now: datetime | None = None) -> TlsFiles:
    """Issue the broker's certificate from the authority beside it, if the present one is not good.

    It is good while it comes from this authority, names the same hosts and has 90 days left. Call this at
    every start, and daily if you like; when ``cert_file`` has changed, reload the broker.

    Args:
        directory: where `make_authority` was; receives ``server.pem`` and ``server.key``.
        hosts: DNS names and IP addresses by which children reach the broker. The loopback ones are added.
        now: the instant of issue; the system's without it.

    Raises:
        FileNotFoundError: there is no authority.
    """
    from node.federation.broker_authority import new_server_certificate, still_good  # noqa: PLC0415 - memory

    now = now or SystemClock().now()
    files = TlsFiles(
        ca_file=directory / "ca.pem", cert_file=directory / "server.pem", key_file=directory / "server.key"
    )
    authority = files.ca_file.read_bytes()
    names = sorted({*hosts, *ALWAYS_NAMED})
    present = (_content(files.cert_file), _content(files.key_file))
    if not still_good(*present, authority_pem=authority, hosts=names, now=now):
        certificate, key = new_server_certificate(authority, (directory / "ca.key").read_bytes(), names, now)
        write_private(files.key_file, key)
        write_private(files.cert_file, certificate)
    return files


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""
