"""Clients without TLS where TLS is optional: Dovecot decides, gets no TLS facts, and the dialogue stays in step."""

import base64
import imaplib
import poplib
import re
import smtplib
import socket

import pytest

from tests.interop import headers
from tests.interop.certificates import Certificates
from tests.interop.clients import Imap, Lmtp, ManageSieve, Pop3, SieveRefused, Submission, connect, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.front import single
from tests.interop.recorder import echo
from tests.interop.server import until_end
from tests.interop.test_dovecot import LETTER, Ports, front_of

SASL_PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]}, "starttls-optional")


# Every failed login has an address of its own: Dovecot delays those that come from the same one.


def test_imap_login_without_tls_is_refused_by_dovecot(ports: Ports, dovecot: Dovecot) -> None:
    imap = Imap(connect(ports["imap"], "127.0.0.41"))
    client = imap.sock.getsockname()
    with pytest.raises(imaplib.IMAP4.error, match=r"\[PRIVACYREQUIRED\] Plaintext authentication disallowed"):
        imap.login(USER, PASSWORD)
    imap.logout()
    assert "secured" not in dovecot.refused("imap", client)


def test_pop3_login_without_tls_is_refused_by_dovecot(ports: Ports, dovecot: Dovecot) -> None:
    pop3 = Pop3(connect(ports["pop3"], "127.0.0.42"))
    client = pop3.sock.getsockname()
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\] Plaintext authentication disallowed"):
        pop3.user(USER)
    pop3.quit()
    assert "secured" not in dovecot.refused("pop3", client)


def test_submission_login_without_tls_is_refused_by_dovecot(ports: Ports, dovecot: Dovecot) -> None:
    with Submission(connect(ports["submission"], "127.0.0.43")) as smtp:
        assert smtp.sock is not None
        client = smtp.sock.getsockname()
        smtp.ehlo()
        smtp.user, smtp.password = USER, PASSWORD
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"523.*5\.7\.10"):
            smtp.auth("PLAIN", smtp.auth_plain)
    assert "secured" not in dovecot.refused("submission", client)


def test_submission_without_a_login_gets_the_answer_of_dovecot(ports: Ports) -> None:
    with Submission(connect(ports["submission"], "127.0.0.44")) as smtp:
        smtp.ehlo()
        assert smtp.mail("alice@example.org") == (530, b"5.7.0 Authentication required.")


def test_lmtp_delivery_without_tls_shows_the_client(ports: Ports, dovecot: Dovecot) -> None:
    with Lmtp(connect(ports["lmtp"], "127.0.0.45")) as lmtp:
        lmtp.sendmail("bob@example.org", [USER], LETTER % b"delivered in plaintext")
    letter = dovecot.delivered(USER, lambda message: b"delivered in plaintext" in message)
    assert b"Received: from client.test ([127.0.0.45])" in letter


def test_managesieve_login_without_tls_is_refused_by_dovecot(ports: Ports, dovecot: Dovecot) -> None:
    sieve = ManageSieve(connect(ports["managesieve"], "127.0.0.46"))
    client = sieve.sock.getsockname()
    with pytest.raises(SieveRefused, match="NO"):
        sieve.authenticate(USER, PASSWORD)
    sieve.logout()
    assert "secured" not in dovecot.refused("managesieve", client)


# What the client says in one breath, and the first words of all replies. The last line comes after the replies to the
# others: Dovecot 2.3's ManageSieve does not look at what came with a refused login before there is more.
CONVERSATIONS = [
    pytest.param(
        "imap",
        [
            "1 CAPABILITY",
            "2 ID NIL",
            f"3 LOGIN {USER} {PASSWORD}",
            "4 CAPABILITY",
            "5 LOGIN {5+}",
            f"{USER} {{6+}}",
            PASSWORD,
            "6 XYZZY",
            "7 LOGOUT",
        ],
        r"^(\d (?:OK|NO|BAD))",
        ["1 OK", "2 OK", "3 NO", "4 OK", "5 NO", "6 BAD", "7 OK"],
        id="imap",
    ),
    pytest.param(
        "pop3",
        ["CAPA", "XYZZY", f"USER {USER}", f"PASS {PASSWORD}", "CAPA", "QUIT"],
        r"^(\+OK|-ERR)",
        ["+OK", "+OK", "-ERR", "-ERR", "-ERR", "+OK", "+OK"],
        id="pop3",
    ),
    pytest.param(
        "submission",
        ["EHLO client.test", "NOOP", "MAIL FROM:<a@example.org>", "EHLO client.test", "AUTH PLAIN =", "NOOP", "QUIT"],
        r"^(\d{3}) ",
        ["220", "250", "250", "530", "250", "523", "250", "221"],
        id="submission",
    ),
    pytest.param(
        "lmtp",
        [
            "LHLO client.test",
            "RSET",
            "MAIL FROM:<bob@example.org>",
            f"RCPT TO:<{USER}>",
            "RCPT TO:<nobody@",
            "DATA",
            "Subject: all at once",
            ".",
            "QUIT",
        ],
        r"^(\d{3}) ",
        ["220", "250", "250", "250", "250", "501", "354", "250", "221"],
        id="lmtp",
    ),
    pytest.param(
        "managesieve",
        [
            "CAPABILITY",
            'NOOP "here"',
            f'AUTHENTICATE "PLAIN" {{{len(SASL_PLAIN)}+}}',
            SASL_PLAIN,
            "LOGOUT",
        ],
        r"^(OK|NO|BYE)",
        ["OK", "OK", "OK", "NO", "OK"],
        id="managesieve",
    ),
]


def pieces(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("piece", [pytest.param(1 << 16, id="in one segment"), pytest.param(1, id="byte by byte")])
@pytest.mark.parametrize(("protocol", "lines", "reply", "expected"), CONVERSATIONS)
def test_pipelined_commands_are_answered_in_their_order(
    ports: Ports, protocol: str, lines: list[str], reply: str, expected: list[str], piece: int
) -> None:
    *first, last = (f"{line}\r\n".encode() for line in lines)
    with connect(ports[protocol], f"127.0.0.{50 + min(piece, 2)}") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segment in pieces(b"".join(first), piece):
            connection.sendall(segment)
        replies: list[str] = []
        while len(replies) < len(expected) - 1:
            replies += re.findall(reply, read_line(connection).decode())
        connection.sendall(last)
        replies += re.findall(reply, until_end(connection).decode(), re.MULTILINE)
    assert replies == expected


def test_literal_that_waits_for_its_continuation_gets_it_from_dovecot(ports: Ports) -> None:
    with connect(ports["imap"], "127.0.0.53") as connection:
        assert b"STARTTLS" in read_line(connection)
        connection.sendall(b"1 LOGIN {%d}\r\n" % len(USER))
        assert read_line(connection).startswith(b"+ ")
        connection.sendall(b"%s {%d}\r\n" % (USER.encode(), len(PASSWORD)))
        assert read_line(connection).startswith(b"+ ")
        connection.sendall(b"%s\r\n2 NOOP\r\n" % PASSWORD.encode())
        assert read_line(connection).startswith(b"* BAD [ALERT]")  # that the password was sent in plaintext
        assert read_line(connection).startswith(b"1 NO [PRIVACYREQUIRED]")
        assert read_line(connection).startswith(b"2 OK")


def test_header_says_tls_only_when_the_client_has_it(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    backend = recorder(echo())
    configuration, port = single(pki.server_ec, backend.port, tls="starttls-optional", capabilities=["IMAP4rev1"])
    front(configuration)
    with connect(port) as connection:
        read_line(connection)
        connection.sendall(b"a LOGIN alice secret\r\n")
        in_plaintext = headers.parse(backend.next().header).ssl
    with connect(port) as connection:
        read_line(connection)
        connection.sendall(b"a STARTTLS\r\n")
        assert read_line(connection).startswith(b"a OK ")
        with secure(connection, pki.client()):
            in_tls = headers.parse(backend.next().header).ssl
    assert in_plaintext == headers.Ssl(client=0, verify=1, inner=())
    assert in_tls is not None
    assert in_tls.client == 1
