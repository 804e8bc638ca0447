"""What a server's silence or odd words most likely mean."""

import pytest

from mailproxy.mail.advice import ConnectionFacts

TRUST = "is mailproxy's address in haproxy_trusted_networks?"
REQUIRED = "does its listener require a PROXY header? send-proxy sends one"
SPEAKS_TLS = "does it speak TLS there? then it needs tls here"


@pytest.mark.parametrize(
    ("received", "is_closed", "sent_header", "cause"),
    [
        (b"", True, True, TRUST),
        (b"", False, True, SPEAKS_TLS),
        (b"", True, False, REQUIRED),
        (b"", False, False, f"{REQUIRED}; or {SPEAKS_TLS}"),
        (b"\x15\x03\x01\x00\x02\x02\x46", True, True, SPEAKS_TLS),
        (b"\x15\x03\x03", False, False, SPEAKS_TLS),
        (b"hello\r\n", True, True, ""),
    ],
)
def test_cause_is_the_likely_one(received: bytes, is_closed: bool, sent_header: bool, cause: str) -> None:
    facts = ConnectionFacts(sends_header=sent_header, has_tls=False, distrusts=TRUST)
    assert facts.likely_cause(received, is_closed=is_closed) == cause


def test_server_on_tls_needs_no_tls() -> None:
    assert ConnectionFacts(sends_header=True, has_tls=True, distrusts=TRUST).likely_cause(b"", is_closed=False) == ""
    assert (
        ConnectionFacts(sends_header=False, has_tls=True, distrusts=TRUST).likely_cause(b"", is_closed=False)
        == REQUIRED
    )
