"""What clients' certificates are verified with: reading it, and what is wrong with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mailproxy.config import TlsProfile
from mailproxy.tls.trust import TrustFile, UnusableTrust, make_trust
from mailproxy.tls.trust_files import read_trust, trust_warnings
from tests.tls.issue import Issued, ec_key, issue, revocation_list

CA = issue(common_name="clients", authority=True)
OTHER = issue(common_name="others", authority=True)


def file(*parts: bytes | Issued, path: str = "/a.pem") -> TrustFile:
    return TrustFile(path, b"".join(part if isinstance(part, bytes) else part.certificate_pem for part in parts))


def problem(*authorities: TrustFile, lists: tuple[TrustFile, ...] = ()) -> str:
    with pytest.raises(UnusableTrust) as caught:
        make_trust(authorities, lists)
    (found,) = caught.value.problems
    return f"{found.key}: {found.message}"


def warnings(*authorities: Issued, lists: tuple[bytes, ...] = ()) -> list[str]:
    trust = make_trust([file(*authorities)], [file(one, path="/a.crl") for one in lists])
    return list(trust_warnings({"default": trust, "other": trust}, datetime.now(UTC)))


def test_files_may_have_several_each() -> None:
    lists = file(revocation_list(CA), revocation_list(OTHER), path="/a.crl")
    trust = make_trust([file(CA), file(OTHER)], [lists])
    assert trust.authorities == (CA.certificate, OTHER.certificate)
    assert [one.crl.issuer for one in trust.lists] == [CA.certificate.subject, OTHER.certificate.subject]


def test_list_may_be_der() -> None:
    der = x509.load_pem_x509_crl(revocation_list(CA)).public_bytes(Encoding.DER)
    assert make_trust([file(CA)], [file(der)]).lists[0].crl.issuer == CA.certificate.subject


def test_digest_is_of_every_byte_and_of_what_it_is_in() -> None:
    pem = file(CA, revocation_list(CA))
    digests = {
        make_trust([file(CA)]).digest,
        make_trust([file(CA, b"\n")]).digest,
        make_trust([pem]).digest,
        make_trust([pem], [pem]).digest,
        make_trust([pem, pem]).digest,
    }
    assert len(digests) == 5
    assert make_trust([file(CA)]).digest == make_trust([file(CA, path="/b.pem")]).digest


def test_file_without_authorities_is_refused() -> None:
    assert problem(file()) == "client-ca: /a.pem: has no certificate (no -----BEGIN CERTIFICATE-----)"


def test_file_without_a_list_is_refused() -> None:
    assert problem(file(CA), lists=(file(CA, path="/a.crl"),)) == (
        "client-crl: /a.crl: has no revocation list (no -----BEGIN X509 CRL-----, and no DER)"
    )


@pytest.mark.parametrize("content", [b"\x30\x03abc", b"-----BEGIN X509 CRL-----\nMAAA\n-----END X509 CRL-----\n"])
def test_broken_list_is_refused(content: bytes) -> None:
    assert "has a revocation list that cannot be read: " in problem(file(CA), lists=(file(content),))


def test_list_that_somebody_else_signed_is_refused() -> None:
    impostor = Issued(CA.certificate, ec_key())
    assert problem(file(CA), lists=(file(revocation_list(impostor), path="/a.crl"),)) == (
        "client-crl: /a.crl: is not signed by the authority in client-ca that it names"
    )


def test_every_problem_is_reported_with_its_key(tmp_path: Path) -> None:
    profile = TlsProfile(
        name="default", certificates=(), client_ca=(str(tmp_path), "/none.pem"), client_crl=("/none.crl",)
    )
    with pytest.raises(UnusableTrust) as caught:
        read_trust(profile)
    assert [(one.key, one.message) for one in caught.value.problems] == [
        ("client-ca", f"{tmp_path}: is not a file"),
        ("client-ca", "/none.pem: cannot be read: No such file or directory"),
        ("client-crl", "/none.crl: cannot be read: No such file or directory"),
    ]


def test_list_may_be_larger_than_a_certificate(tmp_path: Path) -> None:
    """Those of large authorities have tens of MiB."""
    ca, crl = tmp_path / "ca.pem", tmp_path / "ca.crl"
    ca.write_bytes(CA.certificate_pem)
    crl.write_bytes(b"#" * 2_000_000 + b"\n" + revocation_list(CA))
    trust = read_trust(TlsProfile(name="default", certificates=(), client_ca=(str(ca),), client_crl=(str(crl),)))
    assert trust is not None
    assert len(trust.lists) == 1


def test_good_lists_bring_no_warning() -> None:
    assert warnings(CA, OTHER, lists=(revocation_list(CA), revocation_list(OTHER))) == []
    assert warnings(CA, OTHER) == []


def test_expired_list_is_a_warning() -> None:
    (found,) = warnings(CA, lists=(revocation_list(CA, days=-1),))
    assert re.match(r"/a.crl: expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC; ", found)
    assert found.endswith("; all clients of CN=clients are refused")


def test_expired_list_beside_a_good_one_brings_no_warning() -> None:
    assert warnings(CA, lists=(revocation_list(CA, days=-1), revocation_list(CA))) == []


def test_authority_without_a_list_is_a_warning() -> None:
    assert warnings(CA, OTHER, lists=(revocation_list(CA),)) == [
        "client-crl: has no list of CN=others; its clients are refused"
    ]


def test_expired_authority_is_a_warning() -> None:
    (found,) = warnings(issue(common_name="old", authority=True, days=-2))
    assert re.match(r"client-ca: CN=old expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC; ", found)
