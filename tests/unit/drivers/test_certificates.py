"""Certificates: a real handshake with what was made, constraints, renewal, permissions."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import verification

from bailee.drivers.certificates import (
    CertificateFiles,
    describe,
    ensure_certificates,
    system_roots,
    use_supplied,
)
from bailee.drivers.certificates.issue import make_authority, make_server
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant

NOW = SystemClock().now()


def later(days: float) -> Instant:
    return Instant(NOW + int(days * DAY_MS))


def handshake(files: CertificateFiles, host: str) -> str | None:
    """The TLS version agreed between a server with `files` and a client that trusts the bundle."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(files.bundle))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host) as secured:
            version = secured.version()
            secured.send(b"x")
            return version
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "bailee.example", "10.1.2.3"])
def test_clients_with_the_bundle_trust_the_server(tmp_path: Path, host: str) -> None:
    files = ensure_certificates(tmp_path, ("bailee.example", "10.1.2.3"), NOW, None)
    assert handshake(files, host) == "TLSv1.3"


def test_clients_refuse_other_names(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, (), NOW, None)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "other.example")


def test_the_authority_cannot_vouch_for_other_sites() -> None:
    authority = make_authority(("bailee.example",), NOW)
    stolen = make_server(authority, ("bank.example",), NOW)
    store = verification.Store([authority.certificate])
    verifier = (
        verification.PolicyBuilder()
        .store(store)
        .build_server_verifier(x509.DNSName("bank.example"))
    )
    with pytest.raises(verification.VerificationError):
        verifier.verify(stolen.certificate, [])
    limits = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path, ("a.example",), NOW, None)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    second = ensure_certificates(tmp_path, ("a.example",), later(300), None)
    assert first.made != ()
    assert second.made == ()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_server_certificate_is_renewed_in_time_under_the_same_authority(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, (), NOW, None)
    authority = (tmp_path / "authority.pem").read_bytes()
    renewed = ensure_certificates(tmp_path, (), later(368), None)
    assert len(renewed.made) == 1
    assert renewed.expires_at > later(368 + 390)
    assert (tmp_path / "authority.pem").read_bytes() == authority


def test_no_client_finds_its_lifetime_too_long(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, (), NOW, None)
    made = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days < 397
    assert made.not_valid_before_utc.timestamp() * 1000 <= NOW - HOUR_MS + 1000


def test_a_new_name_makes_a_new_certificate(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, (), NOW, None)
    files = ensure_certificates(tmp_path, ("new.example",), NOW, None)
    assert "new.example" in files.names
    assert handshake(files, "new.example")


@pytest.mark.parametrize("damaged", ["server.pem", "server-key.pem", "authority.pem"])
def test_damaged_files_are_made_again(tmp_path: Path, damaged: str) -> None:
    ensure_certificates(tmp_path, (), NOW, None)
    (tmp_path / damaged).write_bytes(b"torn")
    files = ensure_certificates(tmp_path, (), NOW, None)
    assert handshake(files, "localhost")


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "tls", (), NOW, None)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()}
    assert modes["authority-key.pem"] == modes["server-key.pem"] == 0o600
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "tls").glob("*.new"))


def test_the_bundle_holds_the_systems_roots_and_does_not_grow(tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    other = make_authority((), NOW).certificate
    roots.write_bytes(other.public_bytes(serialization.Encoding.PEM))
    for _ in range(2):
        files = ensure_certificates(tmp_path / "tls", (), NOW, system_roots(roots, roots / "b"))
        assert len(x509.load_pem_x509_certificates(files.bundle.read_bytes())) == 2
    assert system_roots(files.bundle, files.bundle) != files.bundle


def test_a_supplied_certificate_is_used(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path / "made", ("a.example",), NOW, None)
    used = use_supplied(tmp_path / "tls", made.certificate, made.key, NOW, None)
    assert used.certificate == made.certificate
    assert used.names == describe(made.certificate).names
    assert describe(made.certificate).expires_at == made.expires_at


def test_supplied_certificates_that_cannot_work_are_refused(tmp_path: Path) -> None:
    one = ensure_certificates(tmp_path / "one", (), NOW, None)
    two = ensure_certificates(tmp_path / "two", (), NOW, None)
    with pytest.raises(InvalidInput, match="is not the key of"):
        use_supplied(tmp_path, one.certificate, two.key, NOW, None)
    with pytest.raises(InvalidInput, match="expired at"):
        use_supplied(tmp_path, one.certificate, one.key, later(400), None)
    with pytest.raises(InvalidInput, match="cannot be read"):
        use_supplied(tmp_path, one.key, one.key, NOW, None)
    with pytest.raises(InvalidInput, match="holds no certificate"):
        describe(one.key)
