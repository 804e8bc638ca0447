"""Postfix behind a frontend with STARTTLS: it accepts the header, and logs the client's address."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.interop import postfix as postfix_peer
from tests.interop.certificates import Certificates
from tests.interop.clients import Submission, connect
from tests.interop.conftest import StartFront, short_folder
from tests.interop.front import single
from tests.interop.postfix import DOMAIN, Postfix
from tests.interop.test_dovecot import LETTER

PROTOCOLS = ["submission", "smtp"]
MODES = ["starttls", "starttls-optional"]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    postfix_peer.need()
    with short_folder() as folder, closing(Postfix(folder)) as postfix:
        yield postfix


def start(front: StartFront, pki: Certificates, postfix: Postfix, protocol: str, mode: str) -> int:
    """The port of a frontend before Postfix that sends all the TLVs its profile allows."""
    configuration, port = single(
        pki.server_ec, postfix.port, protocol=protocol, tls=mode, backend_profile="postfix",
        backend_proxy_v2_options=["ssl-cipher", "authority", "crc32c", "unique-id"],
    )  # fmt: skip
    front(configuration)
    return port


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_message_is_delivered_and_the_client_is_known(
    front: StartFront, pki: Certificates, postfix: Postfix, protocol: str, mode: str
) -> None:
    port = start(front, pki, postfix, protocol, mode)
    subject = f"over {protocol} with {mode}".encode()
    with Submission(connect(port, "127.0.0.61")) as smtp:
        smtp.starttls(context=pki.client())
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.sendmail("a@example.org", [f"bob@{DOMAIN}"], LETTER % subject)
    letter = postfix.delivered(lambda message: subject in message)
    assert b"Received: from client.test (unknown [127.0.0.61])" in letter
    assert postfix.line(r"client=unknown\[127\.0\.0\.61\]")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_message_without_tls_is_delivered_where_that_is_allowed(
    front: StartFront, pki: Certificates, postfix: Postfix, protocol: str
) -> None:
    port = start(front, pki, postfix, protocol, "starttls-optional")
    subject = f"over {protocol} in plaintext".encode()
    with Submission(connect(port, "127.0.0.62")) as smtp:
        smtp.sendmail("a@example.org", [f"bob@{DOMAIN}"], LETTER % subject)
    letter = postfix.delivered(lambda message: subject in message)
    assert b"Received: from client.test (unknown [127.0.0.62])" in letter


def test_capabilities_of_postfix_are_announced_before_tls(
    front: StartFront, pki: Certificates, postfix: Postfix
) -> None:
    configuration, port = single(pki.server_ec, postfix.port, protocol="submission", tls="starttls")
    running = front(configuration)
    running.event(event="learned")
    with Submission(connect(port)) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("smtputf8")
        assert smtp.has_extn("starttls")
        assert not smtp.has_extn("chunking")


def test_postfix_that_does_not_know_the_header_is_down(front: StartFront, pki: Certificates) -> None:
    postfix_peer.need()
    with short_folder() as folder, closing(Postfix(folder, "smtpd_upstream_proxy_protocol =")) as postfix:
        configuration, _ = single(pki.server_ec, postfix.port, protocol="smtp", backend_profile="postfix")
        configuration["backend"]["recorder"]["check"] = {"type": "mail", "inter": "150ms", "timeout": "30s"}
        running = front(configuration)
        down = running.event(event="server", state="down")
    assert down["reason"].startswith('answered the PROXY header with "500 5.5.2 Error: bad syntax"')
    assert "set smtpd_upstream_proxy_protocol = haproxy there" in down["reason"]


SCREENING = (
    "smtpd_upstream_proxy_protocol =\npostscreen_upstream_proxy_protocol = haproxy\npostscreen_access_list =\n"
    "postscreen_greet_action = enforce"
)


def test_client_gets_through_postscreen(front: StartFront, pki: Certificates) -> None:
    """It is at its default of 6 seconds, and so is the profile."""
    postfix_peer.need()
    with short_folder() as folder, closing(Postfix(folder, SCREENING, "1 postscreen")) as postfix:
        configuration, port = single(
            pki.server_ec, postfix.port, protocol="smtp", tls="starttls", backend_profile="postfix",
        )  # fmt: skip
        running = front(configuration)
        with Submission(connect(port, "127.0.0.71")) as smtp:
            smtp.starttls(context=pki.client())
            assert smtp.ehlo()[0] == 250
            assert smtp.sock is not None
            name = smtp.sock.getsockname()
    event = running.session(name)
    assert event["connect_ms"] > 5000
    assert "retries" not in event


def test_client_without_starttls_gets_postscreen_s_first_line_at_once(front: StartFront, pki: Certificates) -> None:
    postfix_peer.need()
    late = f"{SCREENING}\npostscreen_greet_wait = 30s"
    with short_folder() as folder, closing(Postfix(folder, late, "1 postscreen")) as postfix:
        configuration, port = single(
            pki.server_ec, postfix.port, protocol="smtp", tls="none", backend_profile="postfix"
        )
        front(configuration)
        with connect(port, "127.0.0.72") as sock:
            sock.settimeout(20)
            assert sock.recv(4096) == b"220-backend.test ESMTP Postfix\r\n"


def test_refusal_of_postfix_reaches_the_client(front: StartFront, pki: Certificates, postfix: Postfix) -> None:
    port = start(front, pki, postfix, "submission", "starttls")
    with Submission(connect(port)) as smtp:
        smtp.starttls(context=pki.client())
        smtp.ehlo()
        smtp.mail("a@example.org")
        assert smtp.rcpt("bob@elsewhere.test")[0] == 554
