import os
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.bindings.openssl.binding import Binding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509 import CertificateBuilder, UnrecognizedExtension
from cryptography.x509.oid import ExtensionOID

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificate_algorithms import SIGNATURE_ALGORITHMS
from mailproxy.tls.certificates import read_authorities, read_certificates
from mailproxy.tls.problem import CertificateError
from tests.tls.issue import NOW, Issued, issue, rsa_key


def read(path: Path, pem: bytes) -> Certificate:
    path.write_bytes(pem)
    (certificate,) = read_certificates([str(path)])
    return certificate


def problems(*patterns: object) -> list[str]:
    with pytest.raises(CertificateError) as caught:
        read_certificates(map(str, patterns))
    return [str(problem) for problem in caught.value.problems]


def problem(path: Path, pem: bytes) -> str:
    path.write_bytes(pem)
    (only,) = problems(path)
    assert only.startswith(f"{path}: ")
    return only.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.pem"


# What a certificate says of itself


def test_file_has_leaf_chain_and_key(path: Path) -> None:
    authority = issue(common_name="authority")
    mail = issue("mail.example.org", issuer=authority)
    found = read(path, mail.certificate_pem + authority.certificate_pem + mail.key_pem)
    assert found.path == str(path)
    assert found.leaf == mail.certificate
    assert found.chain == (authority.certificate,)
    assert found.key.public_key() == mail.key.public_key()


def test_key_may_come_first(path: Path) -> None:
    mail = issue("mail.example.org")
    assert read(path, mail.key_pem + mail.certificate_pem).leaf == mail.certificate


def test_what_is_neither_certificate_nor_key_is_skipped(path: Path) -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert read(path, b"Bag Attributes\n" + parameters + issue("a").pem).names == ("a",)


def test_names_are_those_of_the_san_in_lower_case(path: Path) -> None:
    found = read(path, issue("Mail.Example.org", "*.example.org", "mail.example.org", common_name="other").pem)
    assert found.names == ("mail.example.org", "*.example.org")


def test_name_is_the_common_name_without_a_san(path: Path) -> None:
    assert read(path, issue(common_name="Mail.example.org").pem).names == ("mail.example.org",)


def test_certificate_may_have_no_name(path: Path) -> None:
    assert read(path, issue().pem).names == ()


def test_algorithms_of_ec_are_named(path: Path) -> None:
    found = read(path, issue("a").pem)
    assert (found.sig_alg, found.key_alg) == ("ecdsa-with-SHA256", "EC256")


def test_algorithms_of_rsa_are_named(path: Path) -> None:
    found = read(path, issue("a", key=rsa_key()).pem)
    assert (found.sig_alg, found.key_alg) == ("RSA-SHA256", "RSA2048")


def test_ed25519_has_no_key_algorithm_as_in_haproxy(path: Path) -> None:
    found = read(path, issue("a", key=Ed25519PrivateKey.generate()).pem)
    assert (found.sig_alg, found.key_alg) == ("ED25519", None)


def test_signature_is_the_issuers(path: Path) -> None:
    authority = issue(common_name="authority", key=rsa_key())
    found = read(path, issue("a", issuer=authority).pem)
    assert (found.sig_alg, found.key_alg) == ("RSA-SHA256", "EC256")


def test_signature_with_pss_is_named(path: Path) -> None:
    plain = issue("a", key=rsa_key()).certificate
    builder = CertificateBuilder(
        plain.issuer, plain.subject, plain.public_key(), 1, plain.not_valid_before_utc, plain.not_valid_after_utc
    )
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    signed = Issued(builder.sign(rsa_key(), SHA256(), rsa_padding=pss), rsa_key())
    assert read(path, signed.pem).sig_alg == "RSASSA-PSS"


@pytest.mark.parametrize(("oid", "name"), SIGNATURE_ALGORITHMS.items())
def test_signature_algorithms_are_called_as_openssl_does(oid: str, name: str) -> None:
    binding = Binding()
    assert binding.ffi.string(binding.lib.OBJ_nid2sn(binding.lib.OBJ_txt2nid(oid.encode()))).decode() == name


def test_certificate_has_its_validity(path: Path) -> None:
    found = read(path, issue("a", days=30, since=-1).pem)
    assert found.not_before == NOW - timedelta(days=1)
    assert found.not_after == NOW + timedelta(days=30, hours=1)


def test_expired_certificate_can_be_served(path: Path) -> None:
    assert read(path, issue("a", days=-3).pem).names == ("a",)


def test_key_is_not_shown(path: Path) -> None:
    found = read(path, issue("a").pem)
    assert "key=" not in repr(found)
    assert repr(found.encoded_key)[2:40] not in repr(found)


def test_certificate_can_be_sent_to_another_process(path: Path) -> None:
    found = read(path, issue("a", key=rsa_key()).pem)
    received = pickle.loads(pickle.dumps(found))
    assert received == found
    assert received.key.private_numbers() == rsa_key().private_numbers()


# Where certificates come from


def test_pattern_takes_files_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("b.pem", "a.pem", "c.key"):
        (tmp_path / name).write_bytes(issue(name).pem)
    found = read_certificates([f"{tmp_path}/*.pem"])
    assert [certificate.names for certificate in found] == [("a.pem",), ("b.pem",)]


def test_folder_of_an_acme_client_is_read(tmp_path: Path) -> None:
    live = tmp_path / "live" / "mail.example.org"
    live.mkdir(parents=True)
    (tmp_path / "live" / "README").write_text("about this folder")
    mail = issue("mail.example.org")
    (live / "fullchain.pem").write_bytes(mail.certificate_pem)
    (live / "privkey.pem").write_bytes(mail.key_pem)
    for pattern in (f"{live}", f"{live}/", f"{tmp_path}/live/*/"):
        (found,) = read_certificates([pattern])
        assert found.path == str(live)
        assert found.names == ("mail.example.org",)


def test_file_is_read_once(path: Path) -> None:
    path.write_bytes(issue("a").pem)
    assert len(read_certificates([str(path), f"{path.parent}/*.pem"])) == 1


def test_file_may_be_called_like_a_pattern(tmp_path: Path) -> None:
    assert read(tmp_path / "[a].pem", issue("a").pem).names == ("a",)


# What can be wrong


def test_missing_file_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.pem") == [f"{tmp_path}/none.pem: does not exist"]


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path / "none" / "mail.pem") == [f"{tmp_path}/none/mail.pem: does not exist"]


def test_pattern_that_matches_nothing_is_reported(tmp_path: Path) -> None:
    assert problems(f"{tmp_path}/*.pem") == [f"{tmp_path}/*.pem: matches nothing that this user can see"]


def test_folder_without_the_files_is_reported(tmp_path: Path) -> None:
    (tmp_path / "privkey.pem").write_bytes(b"")
    assert problems(tmp_path) == [f"{tmp_path}: is a folder without fullchain.pem; for the PEM files in it, add /*.pem"]


def test_file_that_cannot_be_read_is_reported(path: Path) -> None:
    path.symlink_to(path)
    assert problems(path) == [f"{path}: cannot be read: Too many levels of symbolic links"]


def test_path_that_is_too_long_is_reported(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 5000)
    assert problems(long) == [f"{long}: cannot be read: File name too long"]


def test_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert problems(path) == [f"{path}: is not a file"]


def test_file_without_a_certificate_is_reported(path: Path) -> None:
    assert problem(path, issue("a").key_pem) == "has no certificate (no -----BEGIN CERTIFICATE-----)"


@pytest.mark.parametrize("size", [30, 300])
@pytest.mark.parametrize("before", [b"", issue("a").pem])
def test_half_written_certificate_is_reported(path: Path, before: bytes, size: int) -> None:
    words = "has a certificate that is cut off (no -----END CERTIFICATE-----)"
    assert problem(path, before + issue("b").certificate_pem[:size]) == words


def test_file_without_a_key_is_reported(path: Path) -> None:
    assert problem(path, issue("a").certificate_pem) == (
        "has no private key; put certificate, chain and key into one file, "
        "or name a folder with fullchain.pem and privkey.pem"
    )


def test_file_with_two_keys_is_reported(path: Path) -> None:
    assert problem(path, issue("a").pem + issue("b").key_pem) == "has 2 private keys, needs one"


def test_key_of_another_certificate_is_reported(path: Path) -> None:
    assert problem(path, issue("a").certificate_pem + issue("b").key_pem) == (
        "has a private key that does not belong to the certificate"
    )


def test_key_of_another_kind_is_reported(path: Path) -> None:
    other = issue("b", key=rsa_key())
    assert problem(path, issue("a").certificate_pem + other.key_pem) == (
        "has a private key that does not belong to the certificate"
    )


def test_chain_before_the_leaf_is_reported(path: Path) -> None:
    authority = issue(common_name="authority")
    mail = issue("a", issuer=authority)
    assert problem(path, authority.certificate_pem + mail.pem) == (
        "has its certificates in the wrong order: the key belongs to number 2"
    )


def test_chain_that_is_not_in_order_is_reported(path: Path) -> None:
    root = issue(common_name="root", authority=True)
    nearer = issue(common_name="nearer", issuer=root, authority=True)
    mail = issue("a", issuer=nearer)
    assert problem(path, mail.pem + root.certificate_pem + nearer.certificate_pem) == (
        "has a chain that is not in order: certificate number 2, CN=root, is not CN=nearer, the issuer of number 1; "
        "each has to be behind the one that it issued"
    )
    assert len(read(path, mail.pem + nearer.certificate_pem + root.certificate_pem).chain) == 2


def test_issuer_that_did_not_sign_is_reported(path: Path) -> None:
    mail = issue("a", issuer=issue(common_name="authority", authority=True))
    impostor = issue(common_name="authority", authority=True)
    assert problem(path, mail.pem + impostor.certificate_pem) == (
        "has a chain that is not in order: certificate number 2, CN=authority, has the name of the issuer but did not "
        "sign number 1; each has to be behind the one that it issued"
    )


def test_damaged_rsa_key_is_reported(path: Path) -> None:
    numbers = rsa_key().private_numbers()
    damaged = RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d, numbers.dmp1 + 2, numbers.dmq1, numbers.iqmp, numbers.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    found = problem(path, issue("a", key=rsa_key()).certificate_pem + Issued(issue("a").certificate, damaged).key_pem)
    assert found == "has a private key that is damaged: its numbers do not belong together"


def test_key_with_a_passphrase_is_reported(path: Path) -> None:
    mail = issue("a")
    locked = mail.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert problem(path, mail.certificate_pem + locked) == (
        "has an encrypted private key, which is not supported; remove the passphrase"
    )


def test_broken_certificate_is_reported(path: Path) -> None:
    mail = issue("a")
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert problem(path, mail.pem + broken).startswith("has a certificate (number 2) that cannot be read: ")


def test_broken_names_are_reported(path: Path) -> None:
    plain = issue("a")
    builder = CertificateBuilder(
        plain.certificate.issuer, plain.certificate.subject, plain.key.public_key(), 1, NOW, NOW + timedelta(days=1)
    )
    names = UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\xff")
    broken = Issued(builder.add_extension(names, False).sign(rsa_key(), SHA256()), plain.key)
    assert problem(path, broken.pem).startswith("has a certificate that cannot be used: ")


def test_broken_key_is_reported(path: Path) -> None:
    broken = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    found = problem(path, issue("a").certificate_pem + broken)
    assert found.startswith("has a private key that cannot be read: ")
    assert found.isprintable()


def test_every_problem_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"")
    (tmp_path / "b.pem").write_bytes(issue("b").certificate_pem)
    assert len(problems(f"{tmp_path}/*.pem", tmp_path / "none", tmp_path / "a.pem")) == 3


# Authorities for clients' certificates


def test_all_authorities_of_a_file_are_read(path: Path) -> None:
    one, other = issue(common_name="one"), issue(common_name="other")
    path.write_bytes(one.certificate_pem + other.certificate_pem)
    assert read_authorities(str(path)) == (one.certificate, other.certificate)


def test_file_without_authorities_is_refused(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(CertificateError, match="has no certificate"):
        read_authorities(str(path))


def test_missing_file_of_authorities_is_refused(path: Path) -> None:
    with pytest.raises(CertificateError, match="cannot be read: No such file or directory"):
        read_authorities(str(path))
