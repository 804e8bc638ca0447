"""
The names of ciphers, groups and signature algorithms: mailproxy's choice, and whether OpenSSL knows a name.

OpenSSL ignores most unknown names, so a list with a typing error is shorter than it looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from OpenSSL import SSL

from mailproxy.tls import openssl

# Forward secrecy alone, which RFC 9325 wants (section 4.1), and ECDHE alone: DHE is slower, and no client needs it.
# Of each kind AES-128 is first, as Mozilla's guidelines order them: it needs no SHA-384. ECDSA costs us less than RSA.
_AEAD = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)

# Windows 7 and 8 have no other cipher for a certificate with an RSA key.
_CBC = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
)

# As Mozilla's guidelines order them, AES-128 first: it needs no SHA-384, which costs a handshake a twentieth more.
DEFAULT_CIPHERSUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

# One tuple of OpenSSL's: the first group that the client has sent a key share for. A second ClientHello, for a better
# group, would cost a round trip. P-521 is for certificates with such keys: TLS 1.2 allows them for listed curves only.
_GROUPS = ("X25519MLKEM768", "X25519", "P-256", "P-384", "P-521")

_SIGNATURES = (
    "ecdsa_secp256r1_sha256",
    "ed25519",
    "ecdsa_secp384r1_sha384",
    "ecdsa_secp521r1_sha512",
    "ed448",
    "rsa_pss_rsae_sha256",
    "rsa_pss_rsae_sha384",
    "rsa_pss_rsae_sha512",
    "rsa_pss_pss_sha256",
    "rsa_pss_pss_sha384",
    "rsa_pss_pss_sha512",
    "rsa_pkcs1_sha256",
    "rsa_pkcs1_sha384",
    "rsa_pkcs1_sha512",
    "mldsa44",
    "mldsa65",
    "mldsa87",
)

# Other names that OpenSSL knows, for suggestions.
_OTHER_GROUPS = (
    *("SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768", "MLKEM1024", "X448"),
    *("secp256r1", "secp384r1", "secp521r1", "prime256v1", "brainpoolP256r1tls13", "brainpoolP384r1tls13"),
    *("brainpoolP512r1tls13", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192", "DEFAULT"),
)
_OTHER_SIGNATURES = (
    *("ecdsa_brainpoolP256r1tls13_sha256", "ecdsa_brainpoolP384r1tls13_sha384", "ecdsa_brainpoolP512r1tls13_sha512"),
    *("RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"),
    *("ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512"),
)
_SUITES = (
    *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
    *("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"),
)

# OpenSSL's names for what a connection has negotiated. Other ciphers need a configuration that names them.
KNOWN_VERSIONS = ("TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1")
KNOWN_CIPHERS = (*_SUITES, *_AEAD, *_CBC)
KNOWN_GROUPS = (
    *("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768", "MLKEM1024"),
    *("x25519", "x448", "secp256r1", "secp384r1", "secp521r1"),
    *("ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"),
)

# Words of cipher lists (openssl-ciphers(1)). Some match no cipher in OpenSSL today, but "!RC4" is still correct.
_WORDS = """
DEFAULT COMPLEMENTOFDEFAULT ALL COMPLEMENTOFALL HIGH MEDIUM LOW EXPORT EXP NULL eNULL SSLv3 TLSv1 TLSv1.0 TLSv1.2
aNULL kRSA aRSA RSA kDHE kEDH DH DHE EDH ADH kEECDH kECDHE ECDH ECDHE EECDH AECDH aDSS DSS aECDSA ECDSA
PSK kPSK kDHEPSK kECDHEPSK kRSAPSK aPSK SRP kSRP aSRP aGOST aGOST01 aGOST12 kGOST GOST94 GOST89MAC
AES AES128 AES256 AESGCM AESCCM AESCCM8 ARIA ARIA128 ARIA256 ARIAGCM CAMELLIA CAMELLIA128 CAMELLIA256 CHACHA20
3DES DES RC4 RC2 IDEA SEED CBC MD5 SHA SHA1 SHA256 SHA384 SUITEB128 SUITEB128ONLY SUITEB192 FIPS
"""
_KNOWN_WORDS = frozenset(_WORDS.split())

_COMMAND = re.compile(r"@(?:STRENGTH|SECLEVEL=[0-5])")


def default_ciphers(*, cbc: bool) -> str:
    """Return the ciphers of TLS 1.2, with or without those that old mail clients need."""
    return ":".join((*_AEAD, *(_CBC if cbc else ())))


@cache
def default_groups() -> str:
    """Return the default groups for key exchange that this OpenSSL supports."""
    return ":".join(filter(_is_group, _GROUPS))


@cache
def default_signatures() -> str:
    """Return the default signature algorithms that this OpenSSL supports; none uses SHA-1 or SHA-224."""
    return ":".join(filter(_is_signature, _SIGNATURES))


class UnknownName(ValueError):
    """OpenSSL does not know a name; `known` has the names that it knows."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(known)


def check_ciphers(value: str) -> None:
    """Raise `UnknownName` unless OpenSSL knows each name in a cipher list (openssl-ciphers(1))."""
    for word in re.split("[:,; ]+", value):
        if _COMMAND.fullmatch(word):
            continue
        for name in word.lstrip("!+-").split("+"):
            if name and name not in _KNOWN_WORDS and not _is_cipher(name):
                raise UnknownName(name, (*cipher_names(), *_KNOWN_WORDS))


def check_ciphersuites(value: str) -> None:
    """Raise `UnknownName` unless OpenSSL knows each name in a list of TLS 1.3 cipher suites."""
    _check(value.split(":"), _is_suite, _SUITES)


def check_groups(value: str) -> None:
    """Raise `UnknownName` unless OpenSSL knows each name in a list of groups (SSL_CTX_set1_groups_list(3))."""
    _check(_listed("[:/]", value), _is_group, (*_GROUPS, *_OTHER_GROUPS))


def check_signatures(value: str) -> None:
    """Raise `UnknownName` unless OpenSSL knows each name in a list of signature algorithms."""
    _check(_listed(":", value), _is_signature, (*_SIGNATURES, *_OTHER_SIGNATURES))


def cipher_names(ciphers: str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0") -> list[str]:
    """Return the TLS 1.2 ciphers that a valid cipher list selects."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(ciphers.encode())
    return [name for name in SSL.Connection(context).get_cipher_list() if not name.startswith("TLS_")]


def _listed(separators: str, value: str) -> Iterator[str]:
    """Yield the names that OpenSSL must know: not those after "?", and without the prefixes "*" and "-"."""
    for name in re.split(separators, value):
        if "?" not in name[:2]:
            yield name.lstrip("*-")


def _check(names: Iterable[str], is_known: Callable[[str], bool], candidates: Iterable[str]) -> None:
    for name in names:
        if not name or not is_known(name):
            raise UnknownName(name, filter(is_known, candidates))


def _is_cipher(name: str) -> bool:
    return _takes("ciphers", f"{name}:@SECLEVEL=0")


def _is_suite(name: str) -> bool:
    return _takes("ciphersuites", name)


def _is_group(name: str) -> bool:
    return _takes("groups", name)


def _is_signature(name: str) -> bool:
    return _takes("signature-algorithms", name)


def _takes(what: str, names: str) -> bool:
    return not openssl.objection(SSL.Context(SSL.TLS_METHOD), what, names)
