"""The clients people use, unchanged, through mailproxy to Dovecot."""

import imaplib
import poplib
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.relay import Relay
from tests.interop.test_dovecot import LETTER, Ports, front_of
from tests.interop.waiting import PATIENCE_SECONDS

HOST = "127.0.0.1"
SECONDS = PATIENCE_SECONDS


@pytest.fixture(scope="module")
def ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec), str(pki.server_rsa)]})


def output_of(*arguments: str, typed: bytes = b"") -> str:
    """What a program prints that is expected to succeed."""
    peers.need(arguments[0])
    done = subprocess.run(
        [peers.path(arguments[0]), *arguments[1:]], input=typed, capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def curl(pki: Certificates, *arguments: str, typed: bytes = b"") -> str:
    """What curl prints, as our user."""
    return output_of(
        "curl", "--silent", "--show-error", "--cacert", str(pki.authority), "--user", f"{USER}:{PASSWORD}", *arguments,
        typed=typed,
    )  # fmt: skip


def test_imaplib_logs_in(ports: Ports, pki: Certificates) -> None:
    with imaplib.IMAP4_SSL(HOST, ports["imap"], ssl_context=pki.client(), timeout=SECONDS) as imap:
        assert imap.login(USER, PASSWORD)[0] == "OK"
        assert imap.select("INBOX")[0] == "OK"


def test_poplib_logs_in(ports: Ports, pki: Certificates) -> None:
    pop3 = poplib.POP3_SSL(HOST, ports["pop3"], context=pki.client(), timeout=SECONDS)
    pop3.user(USER)
    pop3.pass_(PASSWORD)
    assert pop3.stat()[0] >= 0
    pop3.quit()


def test_smtplib_submits_a_message(ports: Ports, pki: Certificates, relay: Relay) -> None:
    with smtplib.SMTP_SSL(
        HOST, ports["submission"], local_hostname="client.test", context=pki.client(), timeout=SECONDS
    ) as smtp:
        smtp.login(USER, PASSWORD)
        smtp.sendmail("alice@example.org", ["bob@example.org"], LETTER % b"by smtplib")
    assert any(b"by smtplib" in message for message in relay.messages)


def test_curl_lists_folders_over_imaps(ports: Ports, pki: Certificates) -> None:
    assert "INBOX" in curl(pki, f"imaps://{HOST}:{ports['imap']}/")


def test_curl_lists_messages_over_pop3s(ports: Ports, pki: Certificates) -> None:
    curl(pki, f"pop3s://{HOST}:{ports['pop3']}/")


def test_curl_submits_a_message_over_smtps(ports: Ports, pki: Certificates, relay: Relay) -> None:
    curl(
        pki, "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org", "--upload-file", "-",
        f"smtps://{HOST}:{ports['submission']}/client.test", typed=LETTER % b"by curl",
    )  # fmt: skip
    assert any(b"by curl" in message for message in relay.messages)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("protocol", "typed", "expected"),
    [
        ("imap", f"a LOGIN {USER} {PASSWORD}\r\nb LOGOUT\r\n", "b OK"),
        ("pop3", f"USER {USER}\r\nPASS {PASSWORD}\r\nQUIT\r\n", "+OK Logged in"),
        ("submission", "EHLO client.test\r\nQUIT\r\n", "221 2.0.0"),
        ("lmtp", "LHLO client.test\r\nQUIT\r\n", "221 2.0.0"),
        ("managesieve", "LOGOUT\r\n", 'OK "Logout completed.'),
    ],
)
def test_openssl_s_client_talks_to_each_protocol(
    ports: Ports, pki: Certificates, protocol: str, typed: str, expected: str, version: str
) -> None:
    answer = output_of(
        "openssl", "s_client", "-connect", f"{HOST}:{ports[protocol]}", "-CAfile", str(pki.authority),
        "-verify_return_error", "-verify_hostname", SERVER_NAME, "-quiet", "-ign_eof", version,
        typed=typed.encode(),
    )  # fmt: skip
    assert expected in answer


def test_openssl_s_client_resumes_its_session(ports: Ports, pki: Certificates, folder: Path) -> None:
    arguments = ("openssl", "s_client", "-connect", f"{HOST}:{ports['imap']}", "-CAfile", str(pki.authority))
    saved = str(folder / "session")
    goodbye = b"a LOGOUT\r\n"
    output_of(*arguments, "-ign_eof", "-sess_out", saved, typed=goodbye)
    assert "Reused, TLSv1.3" in output_of(*arguments, "-ign_eof", "-sess_in", saved, typed=goodbye)
