"""Encryption: who cannot prove who he is gets nothing."""

import datetime
import ssl
import threading

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connector.spapi.client import Client
from connector.spapi.errors import Unreachable
from connector.spapi.transport import Transport
from tests.spapi.wire import Wire, answer


def certificate(folder, name="localhost", days=1):
    """A certificate of our own making for `name`, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


class TlsWire(Wire):
    def __init__(self, context):
        self._context = context
        super().__init__()

    def _talk(self, connection):
        try:
            secured = self._context.wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            connection.close()
            return
        super()._talk(secured)


@pytest.fixture
def secured(tmp_path):
    servers = []

    def make(name="localhost", days=1, **limits):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = certificate(tmp_path, name, days)
        context.load_cert_chain(path)
        for limit, value in limits.items():
            setattr(context, limit, value)
        servers.append(TlsWire(context).says(answer({"orders": []})))
        return servers[-1], path

    yield make
    for server in servers:
        server.close()
    assert threading.active_count() < 50


def client(server, trusted=None):
    context = httpx2.create_ssl_context()
    if trusted:
        context.load_verify_locations(trusted)
    return Client(
        f"https://localhost:{server.port}", lambda **_: "Atza|secret", lambda _: 0, transport=Transport(context)
    )


def test_a_trusted_server_is_spoken_to(secured):
    server, path = secured()

    assert client(server, path).call("searchOrders").json == {"orders": []}


@pytest.mark.parametrize(
    ("arguments", "is_trusted"), [({}, False), ({"name": "other.example"}, True), ({"days": -1}, True)]
)
def test_an_unknown_wrong_or_old_certificate_gets_no_token(secured, arguments, is_trusted):
    server, path = secured(**arguments)

    with pytest.raises(Unreachable, match="certificate that cannot be trusted"):
        client(server, path if is_trusted else None).call("searchOrders")

    assert server.requests == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_outdated_protocol_is_refused(secured):
    server, path = secured(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)

    with pytest.raises(Unreachable, match="no safe connection"):
        client(server, path).call("searchOrders")

    assert server.requests == []
