"""The local certificate authority, and the one server certificate that all local services share.

Key and certificate of each stand in one PEM file, so that a crash can never leave a pair that does not match.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.cloud.private_file import write_private_file

AUTHORITY_LIFETIME = timedelta(days=3650)
# Browsers refuse server certificates that live longer than 398 days.
SERVER_LIFETIME = timedelta(days=397)
# Renewed at a start, so a host may run this long without one. The authority must outlive every server certificate.
SERVER_RENEWAL = timedelta(days=180)
AUTHORITY_RENEWAL = timedelta(days=730)


@dataclass(frozen=True)
class Certificates:
    """Where the local TLS files lie."""

    authority: Path  # PEM, public: what a person trusts
    bundle: Path  # PEM, public: certifi's authorities and ours, for clients
    server: Path  # PEM, secret: the server's key and certificate


@dataclass(frozen=True)
class KeyPair:
    """A private key and the certificate that speaks for it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def to_pem(self) -> bytes:
        """Key, then certificate."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)


def certificate_paths(folder: Path) -> Certificates:
    """Where ensure_certificates puts its files under folder."""
    return Certificates(
        authority=folder / "local-authority.crt",
        bundle=folder / "trusted-authorities.pem",
        server=folder / "server.pem",
    )


def ensure_certificates(folder: Path, now: datetime) -> Certificates:
    """The files of certificate_paths, valid at now: made if missing, renewed if their end is near."""
    paths = certificate_paths(folder)
    authority = _ensure_authority(folder / "local-authority.pem", now)
    server = _read(paths.server)
    if server is None or not _still_good(server, authority, now):
        write_private_file(paths.server, _issue_server_certificate(authority, now).to_pem())
    public = authority.certificate.public_bytes(Encoding.PEM)
    write_private_file(paths.authority, public)
    write_private_file(paths.bundle, Path(certifi.where()).read_bytes() + b"\n" + public)
    return paths


def _ensure_authority(path: Path, now: datetime) -> KeyPair:
    authority = _read(path)
    if authority is None or authority.certificate.not_valid_after_utc - now < AUTHORITY_RENEWAL:
        authority = _make_authority(now)
        write_private_file(path, authority.to_pem())
    return authority


def _still_good(server: KeyPair, authority: KeyPair, now: datetime) -> bool:
    issued_by_ours = server.certificate.issuer == authority.certificate.subject
    return issued_by_ours and server.certificate.not_valid_after_utc - now >= SERVER_RENEWAL


def _read(path: Path) -> KeyPair | None:
    if not path.exists():
        return None
    content = path.read_bytes()
    key = load_pem_private_key(content, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), f"{path} was not written by the local authority"
    return KeyPair(key, x509.load_pem_x509_certificate(content))


def _make_authority(now: datetime) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial number in the name tells a renewed authority from the one before it.
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Local cloud authority"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{serial:x}"),
        ]
    )
    certificate = (
        _draft(name, name, key.public_key(), serial, now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        # Whoever trusts this authority trusts it for this machine's own names and nothing else.
        .add_extension(
            x509.NameConstraints(
                permitted_subtrees=[
                    x509.IPAddress(ipaddress.ip_network("127.0.0.0/8")),
                    x509.DNSName("localhost"),
                ],
                excluded_subtrees=None,
            ),
            critical=True,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(key, certificate)


def _issue_server_certificate(authority: KeyPair, now: datetime) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local cloud services")])
    issuer = authority.certificate.subject
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        _draft(name, issuer, key.public_key(), x509.random_serial_number(), now, SERVER_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(key, certificate)


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    begin = now.astimezone(UTC) - timedelta(hours=1)  # clocks that run behind
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(now.astimezone(UTC) + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
