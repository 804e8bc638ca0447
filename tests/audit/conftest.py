"""The fake servers' certificate."""

import ssl
from pathlib import Path

import pytest
import trustme
from attrs import frozen


@frozen
class Tls:
    """A server's TLS, and the file of the authority that vouches for it."""

    context: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    file = tmp_path_factory.mktemp("audit") / "authority.pem"
    authority.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.org", "127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return Tls(context, file)
