"""The mail programs people use, unchanged, over STARTTLS through mailproxy to Dovecot."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.relay import Relay
from tests.interop.test_clients import HOST, SECONDS, curl, output_of
from tests.interop.test_dovecot import LETTER, Ports, front_of

SENDER, RECIPIENT = "alice@example.org", "bob@example.org"

Deliver = Callable[[bytes], None]


@pytest.fixture(scope="module")
def ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec), str(pki.server_rsa)]}, "starttls")


@pytest.fixture(scope="module")
def deliver(ports: Ports, dovecot: Dovecot, pki: Certificates) -> Deliver:
    """Puts a message with this subject into the inbox of our user."""

    def swaks_delivers(subject: bytes) -> None:
        swaks(
            pki, ports["lmtp"], "--protocol", "LMTP", "--from", SENDER, "--to", USER, "--data", "-",
            typed=LETTER % subject,
        )  # fmt: skip
        dovecot.delivered(USER, lambda message: subject in message)

    return swaks_delivers


def swaks(pki: Certificates, port: int, *arguments: str, typed: bytes = b"") -> str:
    """What swaks prints, which insists on STARTTLS and on the certificate."""
    peers.need("Net::SSLeay")
    return output_of(
        "swaks", "--server", f"{HOST}:{port}", "-tls", "--tls-verify", "--tls-ca-path", str(pki.authority),
        "--helo", "client.test", *arguments, typed=typed,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("protocol", "name", "typed", "expected"),
    [
        ("imap", "imap", f"a LOGIN {USER} {PASSWORD}\r\nb LOGOUT\r\n", "b OK"),
        ("pop3", "pop3", f"USER {USER}\r\nPASS {PASSWORD}\r\nQUIT\r\n", "+OK Logged in"),
        ("submission", "smtp", "EHLO client.test\r\nQUIT\r\n", "221 2.0.0"),
        ("lmtp", "lmtp", "LHLO client.test\r\nQUIT\r\n", "221 2.0.0"),
        ("managesieve", "sieve", "LOGOUT\r\n", 'OK "Logout completed.'),
    ],
)
def test_openssl_s_client_talks_to_each_protocol(
    ports: Ports, pki: Certificates, protocol: str, name: str, typed: str, expected: str, version: str
) -> None:
    answer = output_of(
        "openssl", "s_client", "-connect", f"{HOST}:{ports[protocol]}", "-starttls", name,
        "-CAfile", str(pki.authority), "-verify_return_error", "-verify_hostname", SERVER_NAME,
        "-quiet", "-ign_eof", version, typed=typed.encode(),
    )  # fmt: skip
    assert expected in answer


def test_curl_lists_folders_over_imap(ports: Ports, pki: Certificates) -> None:
    assert "INBOX" in curl(pki, "--ssl-reqd", f"imap://{HOST}:{ports['imap']}/")


def test_curl_lists_messages_over_pop3(ports: Ports, pki: Certificates) -> None:
    curl(pki, "--ssl-reqd", f"pop3://{HOST}:{ports['pop3']}/")


def test_curl_submits_a_message(ports: Ports, pki: Certificates, relay: Relay) -> None:
    curl(
        pki, "--ssl-reqd", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", "-",
        f"smtp://{HOST}:{ports['submission']}/client.test", typed=LETTER % b"by curl after STARTTLS",
    )  # fmt: skip
    assert any(b"by curl after STARTTLS" in message for message in relay.messages)


def test_swaks_submits_a_message(ports: Ports, pki: Certificates, relay: Relay) -> None:
    swaks(
        pki, ports["submission"], "--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD,
        "--from", SENDER, "--to", RECIPIENT, "--data", "-", typed=LETTER % b"by swaks",
    )  # fmt: skip
    assert any(b"by swaks" in message for message in relay.messages)


def test_swaks_delivers_over_lmtp(deliver: Deliver, dovecot: Dovecot) -> None:
    deliver(b"by swaks over LMTP")
    assert dovecot.delivered(USER, lambda message: b"by swaks over LMTP" in message)


def test_msmtp_submits_a_message(ports: Ports, pki: Certificates, relay: Relay, folder: Path) -> None:
    configuration = private(
        folder / "msmtprc",
        f"defaults\ntls on\ntls_starttls on\ntls_trust_file {pki.authority}\n"
        f"account default\nhost {HOST}\nport {ports['submission']}\nfrom {SENDER}\n"
        f"auth plain\nuser {USER}\npassword {PASSWORD}\n",
    )
    output_of("msmtp", "-C", configuration, RECIPIENT, typed=LETTER % b"by msmtp")
    assert any(b"by msmtp" in message for message in relay.messages)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_fetchmail_fetches_a_message(
    ports: Ports, pki: Certificates, deliver: Deliver, folder: Path, protocol: str
) -> None:
    subject = f"for fetchmail over {protocol}".encode()
    deliver(subject)
    fetched = folder / "fetched"
    configuration = private(
        folder / "fetchmailrc",
        f'poll {HOST} protocol {protocol} service {ports[protocol]} auth password user "{USER}" password "{PASSWORD}"\n'
        f"  sslproto TLS1.2+ sslcertck sslcertfile {pki.authority} sslcommonname {SERVER_NAME}\n"
        f'  keep fetchall mda "cat >> {fetched}"\n',
    )
    # It keeps its lock and its list of seen messages in a home of its own.
    peers.need("fetchmail")
    done = subprocess.run(
        [peers.path("fetchmail"), "--fetchmailrc", configuration, "--nosyslog", "--pidfile", folder / "pid"],
        env={"HOME": str(folder), "FETCHMAILHOME": str(folder), "PATH": peers.SEARCH_PATH},
        capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert subject in fetched.read_bytes()


def test_mbsync_copies_the_inbox(ports: Ports, pki: Certificates, deliver: Deliver, folder: Path) -> None:
    deliver(b"for mbsync")
    (folder / "mail").mkdir()
    # It compares host names with the certificate, not addresses.
    configuration = private(
        folder / "mbsyncrc",
        f"IMAPAccount front\nHost localhost\nPort {ports['imap']}\nUser {USER}\nPass {PASSWORD}\n"
        f"AuthMechs PLAIN\nSSLType STARTTLS\nSystemCertificates no\nCertificateFile {pki.authority}\n\n"
        f"IMAPStore far\nAccount front\n\n"
        f"MaildirStore near\nPath {folder}/mail/\nInbox {folder}/mail/INBOX\nSubFolders Verbatim\n\n"
        f"Channel all\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n",
    )
    output_of("mbsync", "--config", configuration, "all")
    copies = [file.read_bytes() for file in (folder / "mail").rglob("new/*")]
    assert any(b"for mbsync" in copy for copy in copies)


def private(file: Path, text: str) -> str:
    """The path of a file that holds this text, readable by its owner alone: these programs insist."""
    file.touch(mode=0o600)
    file.write_text(text)
    return str(file)
