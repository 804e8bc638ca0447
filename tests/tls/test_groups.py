from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.groups import for_name, group_certificates
from mailproxy.tls.pem import make_certificate
from tests.tls.issue import issue, rsa_key


def certificate(path: str, *names: str, key: CertificateIssuerPrivateKeyTypes | None = None) -> Certificate:
    return make_certificate(path, issue(*names, key=key).pem)


MAIL = certificate("mail", "mail.example.org")
MAIL_RSA = certificate("mail-rsa", "mail.example.org", "imap.example.org", key=rsa_key())
WILDCARD = certificate("wildcard", "*.example.org")
OTHER = certificate("other", "mail.example.net")
NAMELESS = certificate("nameless")


def served(certificates: Sequence[Certificate], server_name: str) -> tuple[Certificate, ...]:
    """The certificates for a client's server name."""
    groups = group_certificates(certificates)
    of_names = {name: group for group in groups for name in group.names}
    return for_name(of_names, server_name, groups[0]).certificates


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("mail.example.org", MAIL),
        ("MAIL.Example.ORG", MAIL),
        ("mail.example.org.", MAIL),
        ("imap.example.org", WILDCARD),
        ("a.b.example.org", OTHER),
        ("example.org", OTHER),
        ("*.example.org", WILDCARD),
        ("mail.example.com", OTHER),
        ("org", OTHER),
        ("", OTHER),
    ],
)
def test_exact_name_then_wildcard_then_the_first(server_name: str, expected: Certificate) -> None:
    assert served([OTHER, WILDCARD, MAIL], server_name) == (expected,)


def test_kinds_of_keys_serve_a_name_together() -> None:
    assert served([MAIL, MAIL_RSA], "mail.example.org") == (MAIL, MAIL_RSA)


def test_only_the_certificates_with_the_name_serve_it() -> None:
    assert served([MAIL, MAIL_RSA], "imap.example.org") == (MAIL_RSA,)


def test_first_group_is_the_whole_pair_of_the_first_certificate() -> None:
    groups = group_certificates([MAIL, OTHER, MAIL_RSA])
    assert groups[0].certificates == (MAIL, MAIL_RSA)


def test_first_certificate_of_a_kind_is_taken() -> None:
    renewed = certificate("renewed", "mail.example.org")
    assert served([MAIL, renewed], "mail.example.org") == (MAIL,)


def test_every_name_is_in_one_group() -> None:
    groups = group_certificates([MAIL, MAIL_RSA, WILDCARD, OTHER])
    names = [name for group in groups for name in group.names]
    assert sorted(names) == ["*.example.org", "imap.example.org", "mail.example.net", "mail.example.org"]


def test_names_of_one_certificate_share_a_group() -> None:
    (group,) = group_certificates([certificate("both", "a.example.org", "b.example.org")])
    assert group.names == {"a.example.org", "b.example.org"}


def test_nameless_certificate_can_be_the_default() -> None:
    assert served([NAMELESS, MAIL], "mail.example.com") == (NAMELESS,)
    assert served([NAMELESS, MAIL], "mail.example.org") == (MAIL,)


def test_nameless_certificate_that_is_not_the_first_is_never_chosen() -> None:
    assert len(group_certificates([MAIL, NAMELESS])) == 1
