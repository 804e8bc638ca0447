"""A certificate authority, the server's certificates and those of good and bad clients."""

import datetime
import ssl
from functools import partial
from pathlib import Path

import trustme
from attrs import frozen

SERVER_NAME = "mail.example.org"
_LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
_EXPIRED = datetime.datetime(2002, 1, 1, tzinfo=datetime.UTC)


@frozen
class Certificates:
    """PEM files; each certificate's file holds its key and chain too."""

    authority: Path
    server_ec: Path
    server_rsa: Path
    alice: Path
    untrusted: Path
    expired: Path
    front: Path
    """What mailproxy shows to servers that want a certificate."""
    server_expired: Path
    server_self_signed: Path
    stranger: Path
    """An authority that issued nothing of the server's."""

    def client(
        self,
        certificate: Path | None = None,
        *,
        version: ssl.TLSVersion | None = None,
        alpn: tuple[str, ...] = (),
    ) -> ssl.SSLContext:
        """A client that trusts our authority, with an own certificate or one TLS version if asked."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if certificate is not None:
            context.load_cert_chain(certificate)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        return context


def make(folder: Path) -> Certificates:
    """Make them all, as files of the folder; alice's common name is certalice."""
    authority = trustme.CA()
    stranger = trustme.CA()

    def save(name: str, certificate: trustme.LeafCert) -> Path:
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    authority.cert_pem.write_to_path(folder / "authority.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    self_signed = folder / "server-self-signed.pem"
    self_signed.touch(mode=0o600)
    self_signed.write_bytes(stranger.cert_pem.bytes() + stranger.private_key_pem.bytes())
    # fetchmail wants a common name, though nobody else has looked at it for long (RFC 6125 section 6.4.4).
    servers = partial(authority.issue_cert, SERVER_NAME, "localhost", "127.0.0.1", "::1", common_name=SERVER_NAME)
    return Certificates(
        authority=folder / "authority.pem",
        server_ec=save("server-ec", servers(key_type=trustme.KeyType.ECDSA)),
        server_rsa=save("server-rsa", servers(key_type=trustme.KeyType.RSA)),
        alice=save("alice", authority.issue_cert("alice@example.org", common_name="certalice")),
        untrusted=save("untrusted", stranger.issue_cert("alice@example.org", common_name="certalice")),
        expired=save(
            "expired",
            authority.issue_cert(
                "alice@example.org", common_name="certalice", not_before=_LONG_AGO, not_after=_EXPIRED
            ),
        ),
        front=save("front", authority.issue_cert("front.example.org", common_name="front")),
        server_expired=save("server-expired", servers(not_before=_LONG_AGO, not_after=_EXPIRED)),
        server_self_signed=self_signed,
        stranger=folder / "stranger.pem",
    )
