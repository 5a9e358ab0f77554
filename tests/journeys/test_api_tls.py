"""TLS: 1.2 and 1.3 are served, anything less gets no data (clause C14)."""

import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.fixtures.gateway import KEY, RunningGateway, running_gateway

from bailee.api.listener import Listener
from bailee.kernel.errors import InvalidInput


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "server.pem", folder / "server-key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture(scope="module", params=["http1", "granian"])
def secured(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path]
) -> Iterator[RunningGateway]:
    with running_gateway(request.param, tls=certificate) as gateway:
        yield gateway


def context(certificate: tuple[Path, Path], version: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(certificate[0]))
    made.minimum_version = version
    made.maximum_version = version
    return made


def ask(connection: socket.socket) -> bytes:
    body = json.dumps({"model": "plain", "messages": []}).encode()
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    got = b""
    while piece := connection.recv(65536):
        got += piece
    return got


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_good_versions_are_answered(
    secured: RunningGateway, certificate: tuple[Path, Path], version: ssl.TLSVersion
) -> None:
    tls = context(certificate, version)
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert ask(connection).startswith(b"HTTP/1.1 200")


def test_1_3_is_preferred(secured: RunningGateway, certificate: tuple[Path, Path]) -> None:
    tls = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert connection.version() == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_1_1_is_refused(secured: RunningGateway, certificate: tuple[Path, Path]) -> None:
    tls = context(certificate, ssl.TLSVersion.TLSv1_1)
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        tls.wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_http_gets_no_data(secured: RunningGateway) -> None:
    secured.do(secured.upstream.received.clear)
    with socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain:
        try:
            got = ask(plain)
        except ConnectionError:
            got = b""
    assert b"HTTP/" not in got
    assert len(got) <= 7, "a TLS alert and nothing else"
    assert secured.upstream.received == []


def test_a_listener_needs_its_certificate(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        Listener.over_tls("127.0.0.1", 1, tmp_path / "no.pem", tmp_path / "no-key.pem")


def test_a_plain_listener_is_on_loopback() -> None:
    assert Listener.plain_for_benchmark(1).host == "127.0.0.1"
