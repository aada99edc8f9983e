import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from local.cloud.authority import AUTHORITY_LIFETIME, SERVER_LIFETIME, Certificates, ensure_certificates

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def server_certificate(paths: Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(paths.server.read_bytes())


def verify(paths: Certificates, name: x509.GeneralName, now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(paths.authority.read_bytes())
    verifier = PolicyBuilder().store(Store([authority])).time(now)
    assert isinstance(name, x509.DNSName | x509.IPAddress)
    verifier.build_server_verifier(name).verify(server_certificate(paths), [])


def test_the_server_certificate_is_good_for_the_name_localhost(tmp_path: Path) -> None:
    verify(ensure_certificates(tmp_path, NOW), x509.DNSName("localhost"), NOW)


def test_the_server_certificate_is_not_good_for_another_name(tmp_path: Path) -> None:
    paths = ensure_certificates(tmp_path, NOW)

    with pytest.raises(VerificationError):
        verify(paths, x509.DNSName("example.com"), NOW)


def test_the_authority_can_speak_for_loopback_names_only(tmp_path: Path) -> None:
    paths = ensure_certificates(tmp_path, NOW)

    authority = x509.load_pem_x509_certificate(paths.authority.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert [str(name.value) for name in constraints.value.permitted_subtrees or []] == ["127.0.0.0/8", "localhost"]


def test_both_certificates_name_their_own_and_their_issuers_key(tmp_path: Path) -> None:
    paths = ensure_certificates(tmp_path, NOW)

    authority = x509.load_pem_x509_certificate(paths.authority.read_bytes())
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    for certificate in (authority, server_certificate(paths)):
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert issuer.value.key_identifier == own


def test_a_second_start_keeps_both_certificates(tmp_path: Path) -> None:
    before = ensure_certificates(tmp_path, NOW)
    server, authority = before.server.read_bytes(), before.authority.read_bytes()

    after = ensure_certificates(tmp_path, NOW + timedelta(days=200))

    assert (after.server.read_bytes(), after.authority.read_bytes()) == (server, authority)


def test_a_server_certificate_near_its_end_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    before = ensure_certificates(tmp_path, NOW)
    server, authority = before.server.read_bytes(), before.authority.read_bytes()

    later = NOW + SERVER_LIFETIME - timedelta(days=30)
    after = ensure_certificates(tmp_path, later)

    assert after.server.read_bytes() != server
    assert after.authority.read_bytes() == authority
    verify(after, x509.DNSName("localhost"), later + timedelta(days=365))


def test_an_authority_near_its_end_is_renewed_with_all_it_signed(tmp_path: Path) -> None:
    before = ensure_certificates(tmp_path, NOW)
    authority = before.authority.read_bytes()
    later = NOW + AUTHORITY_LIFETIME - timedelta(days=365)

    after = ensure_certificates(tmp_path, later)

    assert after.authority.read_bytes() != authority
    verify(after, x509.DNSName("localhost"), later)


def test_a_server_certificate_of_a_lost_authority_is_replaced(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NOW)
    (tmp_path / "local-authority.pem").unlink()

    verify(ensure_certificates(tmp_path, NOW), x509.DNSName("localhost"), NOW)


def test_the_bundle_holds_the_public_authorities_and_the_local_one(tmp_path: Path) -> None:
    paths = ensure_certificates(tmp_path, NOW)

    bundle = paths.bundle.read_bytes()
    assert bundle.endswith(paths.authority.read_bytes())
    assert bundle.count(b"BEGIN CERTIFICATE") > 100


def test_private_keys_lie_in_files_that_only_the_owner_may_read(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NOW)

    with_keys = [path for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert {path.name for path in with_keys} == {"local-authority.pem", "server.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in with_keys} == {0o600}
