"""Valid defaults for what a header is made of; each test changes one thing."""

from typing import Any

from attrs import evolve, frozen

from mailproxy.announce.backend_tlvs import TlvLike
from mailproxy.announce.header import HeaderPolicy
from mailproxy.tls.facts import TlsFacts

CERTIFICATE = b"\x30\x03\x02\x01\x01"

TLS13 = TlsFacts(
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    group="x25519",
    server_name="mail.example.test",
    alpn=b"imap",
    resumed=False,
    certificate_sig_alg="RSA-SHA256",
    certificate_key_alg="RSA2048",
    client_certificate=None,
    client_common_names=(),
    verify=1,
)

ALICE = evolve(TLS13, client_certificate=CERTIFICATE, client_common_names=("alice@example.test",), verify=0)


@frozen
class Settings:
    """A backend's settings as the configuration has them."""

    profile: str = "generic"
    send_proxy: str = "v2-ssl"
    proxy_v2_options: frozenset[str] = frozenset()
    tlvs: tuple[TlvLike, ...] = ()
    pass_tlvs: tuple[int, ...] = ()


def policy(send_proxy: str = "v2-ssl", *options: str, protocol: str = "imap", **settings: Any) -> HeaderPolicy:
    """Make the policy of a backend."""
    return HeaderPolicy(Settings(send_proxy=send_proxy, proxy_v2_options=frozenset(options), **settings), protocol)
