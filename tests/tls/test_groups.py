import pytest
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from mailproxy.tls.certificate import Certificate, make_certificate
from mailproxy.tls.certificates import find_group, group_certificates, select
from tests.tls.issue import issue, rsa_key


def certificate(path: str, *names: str, key: CertificateIssuerPrivateKeyTypes | None = None) -> Certificate:
    return make_certificate(path, issue(*names, key=key).pem)


MAIL = certificate("mail", "mail.example.org")
MAIL_RSA = certificate("mail-rsa", "mail.example.org", "imap.example.org", key=rsa_key())
WILDCARD = certificate("wildcard", "*.example.org")
OTHER = certificate("other", "mail.example.net")
NAMELESS = certificate("nameless")


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
        (None, OTHER),
    ],
)
def test_exact_name_then_wildcard_then_the_first(server_name: str | None, expected: Certificate) -> None:
    assert select([OTHER, WILDCARD, MAIL], server_name) == expected


def test_kinds_of_keys_serve_a_name_together() -> None:
    groups = group_certificates([MAIL, MAIL_RSA])
    assert find_group(groups, "mail.example.org").certificates == (MAIL, MAIL_RSA)


def test_only_the_certificates_with_the_name_serve_it() -> None:
    groups = group_certificates([MAIL, MAIL_RSA])
    assert find_group(groups, "imap.example.org").certificates == (MAIL_RSA,)


def test_first_group_is_the_whole_pair_of_the_first_certificate() -> None:
    groups = group_certificates([MAIL, OTHER, MAIL_RSA])
    assert groups[0].certificates == (MAIL, MAIL_RSA)


def test_of_the_same_kind_the_first_is_taken() -> None:
    renewed = certificate("renewed", "mail.example.org")
    assert select([MAIL, renewed], "mail.example.org") == MAIL


def test_every_name_is_in_one_group() -> None:
    groups = group_certificates([MAIL, MAIL_RSA, WILDCARD, OTHER])
    names = [name for group in groups for name in group.names]
    assert sorted(names) == ["*.example.org", "imap.example.org", "mail.example.net", "mail.example.org"]


def test_names_of_one_certificate_share_a_group() -> None:
    (group,) = group_certificates([certificate("both", "a.example.org", "b.example.org")])
    assert group.names == {"a.example.org", "b.example.org"}


def test_nameless_certificate_can_be_the_default() -> None:
    assert select([NAMELESS, MAIL], None) == NAMELESS
    assert select([NAMELESS, MAIL], "mail.example.org") == MAIL


def test_nameless_certificate_that_is_not_the_first_is_never_chosen() -> None:
    assert len(group_certificates([MAIL, NAMELESS])) == 1
