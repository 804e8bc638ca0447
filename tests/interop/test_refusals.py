"""A client that Postfix refuses gets Postfix's reason, and other clients are not affected."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.interop import postfix as postfix_peer
from tests.interop.certificates import Certificates
from tests.interop.clients import Submission, connect
from tests.interop.conftest import StartFront, short_folder
from tests.interop.front import Front, single
from tests.interop.postfix import Postfix

DENIED = "127.0.0.66"
LIMIT = 4
AT_ONCE = 5.5  # seconds; the profile would wait for 6 s if this were postscreen
REASON = b"554 5.7.1 <unknown[127.0.0.66]>: Client host rejected: blocked, see http://example.org/"


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """A Postfix that denies one client at once, and allows a few connections to each other client."""
    postfix_peer.need()
    settings = (
        "smtpd_delay_reject = no\n"
        "smtpd_client_restrictions = check_client_access"
        f" inline:{{ {{ {DENIED} = REJECT blocked, see http://example.org/ }} }}\n"
        f"smtpd_client_connection_count_limit = {LIMIT}\n"
        "smtpd_client_event_limit_exceptions =\n"
    )
    with short_folder() as folder, closing(Postfix(folder, settings)) as postfix:
        yield postfix


def start(front: StartFront, pki: Certificates, postfix: Postfix, tls: str, **keys: object) -> tuple[Front, int]:
    """A front whose only server is marked down at the first error that counts."""
    configuration, port = single(
        pki.server_ec, postfix.port, protocol="smtp", tls=tls, backend_profile="postfix", **keys
    )  # fmt: skip
    server = configuration["backend"]["recorder"]["server"]["only"]
    server |= {"check": {"type": "mail", "fall": 1}, "error-limit": 1, "on-error": "mark-down"}
    return front(configuration), port


def received(sock: socket.socket) -> bytes:
    """All bytes that a client without TLS receives, until the end of the connection."""
    answer = b""
    while more := sock.recv(4096):
        answer += more
    return answer


@pytest.mark.parametrize("send_proxy", ["v1", "v2"])
def test_denied_client_gets_postfix_s_reason_at_once(
    front: StartFront, pki: Certificates, postfix: Postfix, send_proxy: str
) -> None:
    running, port = start(front, pki, postfix, "none", backend_send_proxy=send_proxy)
    with connect(port, DENIED) as sock:  # Postfix starts the process that serves the next client, too
        received(sock)
    begun = time.monotonic()
    with connect(port, DENIED) as sock:
        assert received(sock) == REASON + b"\r\n"
        assert time.monotonic() - begun < AT_ONCE
        name = sock.getsockname()
    event = running.session(name)
    assert event["termination"] == "SC"
    assert event["reason"] == f"the server refuses this client: {REASON.decode()[:100]}"
    assert "retries" not in event


def test_denied_client_gets_the_reason_in_answer_to_ehlo(
    front: StartFront, pki: Certificates, postfix: Postfix
) -> None:
    _, port = start(front, pki, postfix, "starttls")
    with Submission(connect(port, DENIED)) as smtp:
        smtp.starttls(context=pki.client())
        code, text = smtp.ehlo()
        assert (code, text) == (554, REASON[4:])


def test_client_beyond_its_connection_limit_keeps_nobody_out(
    front: StartFront, pki: Certificates, postfix: Postfix
) -> None:
    running, port = start(front, pki, postfix, "none")
    with ExitStack() as stack:
        greetings = []
        for _ in range(3 * LIMIT):
            sock = stack.enter_context(closing(connect(port, "127.0.0.67")))
            greetings.append(sock.recv(4096))
            other = stack.enter_context(closing(connect(port, "127.0.0.68")))
            assert other.recv(4096).startswith(b"220 ")
            other.sendall(b"QUIT\r\n")
            assert received(other).startswith(b"221 ")  # Postfix has counted it off then
    assert sum(greeting.startswith(b"220 ") for greeting in greetings) == LIMIT
    refusals = {greeting for greeting in greetings if not greeting.startswith(b"220 ")}
    assert refusals == {b"421 4.7.0 backend.test Error: too many connections from 127.0.0.67\r\n"}
    assert running.all_events(event="server", state="down") == []
