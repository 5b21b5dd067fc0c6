"""X.509 for a broker, bytes in and bytes out.

Import it late: `cryptography` takes memory that a village never needs.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3652)
SERVER_LIFETIME = timedelta(days=825)
"""Some TLS libraries refuse server certificates that live longer."""

RENEW_BEFORE = timedelta(days=90)
"""A server certificate with less than this left is no longer good."""

BACKDATED = timedelta(days=30)
"""Certificates are valid from a while ago: clocks of village PCs run behind."""


def new_authority(code: str, now: datetime) -> tuple[bytes, bytes]:
    """Make the authority of a center; return its certificate and its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Liandong {code}")
    certificate = (
        _certificate(name, name, key, key, now=now, until=now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key)


def new_server_certificate(
    authority_pem: bytes, authority_key_pem: bytes, hosts: Sequence[str], now: datetime
) -> tuple[bytes, bytes]:
    """Issue a server's certificate with a new key; return both as PEM."""
    authority = x509.load_pem_x509_certificate(authority_pem)
    authority_key = load_pem_private_key(authority_key_pem, password=None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey), "new_authority makes no other"
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + SERVER_LIFETIME, authority.not_valid_after_utc)
    certificate = (
        _certificate(_name("Liandong broker"), authority.subject, key, authority_key, now=now, until=until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key)


def still_good(
    certificate_pem: bytes, key_pem: bytes, *, authority_pem: bytes, hosts: Sequence[str], now: datetime
) -> bool:
    """Tell whether a server's certificate does.

    It fits its key, comes from this authority, names exactly these hosts, and has time left.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem))
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == certificate.public_key()
        and {str(name.value) for name in named} == set(hosts)
        and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - BACKDATED)
        .not_valid_after(until.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
