"""TLS after a header, from the files that a string names, as in Twisted's own ``ssl:`` and ``tls:``."""

from __future__ import annotations

import re
from pathlib import Path

from OpenSSL.crypto import Error as CryptoError
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_NO_CERTIFICATE = "certKey is missing, the PEM file with the certificate"


def server_tls(prefix: str, cert_key: str, private_key: str, extra_cert_chain: str) -> CertificateOptions:
    """
    Return the TLS of a server; ValueError if a file cannot be used.

    One file may have both the certificate and the key. Certificates after the first one are its chain.
    """
    if not (cert_key or private_key):
        raise ValueError(f"{prefix}: {_NO_CERTIFICATE}")
    own, *chain = _own(prefix, cert_key, private_key)
    if extra_cert_chain:
        chain += _certificates(prefix, "extraCertChain", extra_cert_chain)
    pair = _pair(prefix, own, cert_key, private_key)
    return CertificateOptions(
        privateKey=pair.privateKey.original,
        certificate=pair.original,
        extraCertChain=[Certificate.loadPEM(pem).original for pem in chain],
    )


def client_tls(
    prefix: str, hostname: str, trust_roots: str, cert_key: str, private_key: str
) -> IOpenSSLClientConnectionCreator:
    """Return the TLS of a client that verifies the server's certificate; ValueError if a file cannot be used."""
    trust = platformTrust()
    if trust_roots:
        files = sorted(Path(trust_roots).glob("*.pem")) if Path(trust_roots).is_dir() else [Path(trust_roots)]
        pems = [pem for file in files for pem in _certificates(prefix, "trustRoots", str(file))]
        if not pems:
            raise ValueError(f"{prefix}: trustRoots={trust_roots} has no *.pem")
        trust = trustRootFromCertificates(map(Certificate.loadPEM, pems))
    own = None
    if cert_key or private_key:
        first, *_ = _own(prefix, cert_key, private_key)
        own = _pair(prefix, first, cert_key, private_key)
    try:
        return optionsForClientTLS(hostname, trustRoot=trust, clientCertificate=own)
    except UnicodeError as error:
        raise ValueError(f"{prefix}: hostname={hostname} is not a host name: {error}") from None


def _own(prefix: str, cert_key: str, private_key: str) -> list[bytes]:
    """Return our own certificate and its chain; the file with the key may have them."""
    if not (cert_key or _CERTIFICATE.search(_read(prefix, "privateKey", private_key))):
        raise ValueError(f"{prefix}: {_NO_CERTIFICATE}; privateKey={private_key} has none")
    return _certificates(prefix, "certKey" if cert_key else "privateKey", cert_key or private_key)


def _pair(prefix: str, certificate: bytes, cert_key: str, private_key: str) -> PrivateCertificate:
    name, key_file = ("privateKey", private_key) if private_key else ("certKey", cert_key)
    key = _read(prefix, name, key_file)
    try:
        pair: PrivateCertificate = PrivateCertificate.loadPEM(certificate + b"\n" + key)
    except VerifyError:
        which = cert_key if cert_key and private_key else "its first"
        raise ValueError(f"{prefix}: {name}={key_file} has the key of another certificate than {which}") from None
    except Exception:
        # OpenSSL's, cryptography's or Twisted's own: which one depends on what is wrong with the file.
        raise ValueError(f"{prefix}: {name}={key_file} has no private key that can be read") from None
    return pair


def _certificates(prefix: str, name: str, file: str) -> list[bytes]:
    found = _CERTIFICATE.findall(_read(prefix, name, file))
    if not found:
        raise ValueError(f"{prefix}: {name}={file} has no certificate in PEM form")
    try:
        for pem in found:
            Certificate.loadPEM(pem)
    except CryptoError:
        raise ValueError(f"{prefix}: {name}={file} has a certificate that cannot be read") from None
    return found


def _read(prefix: str, name: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ValueError(f"{prefix}: {name}={file}: {error.strerror}") from None
