"""LMTP before TLS, where it differs from SMTP."""

import pytest

from mailproxy.mail.step import Next
from tests.mail.trace import dialogue, trace


def test_lhlo_lists_what_every_server_has() -> None:
    trace(
        dialogue("lmtp"),
        """
        S: 220 mx.test LMTP
        C: LHLO client.test
        S: 250-mx.test
        S: 250-PIPELINING
        S: 250-ENHANCEDSTATUSCODES
        S: 250-8BITMIME
        S: 250 STARTTLS
        """,
    )


@pytest.mark.parametrize("command", ["EHLO client.test", "HELO client.test"])
def test_greetings_of_smtp_are_not_recognized(command: str) -> None:
    trace(dialogue("lmtp"), f"C: {command}\nS: 500 5.5.1 Command unrecognized")


def test_mail_needs_starttls_first() -> None:
    trace(dialogue("lmtp"), "C: MAIL FROM:<>\nS: 530 5.7.0 Must issue a STARTTLS command first")


def test_hand_over_introduces_the_client_to_the_backend() -> None:
    step = dialogue("lmtp", optional=True).receive(b"LHLO client.test\r\nMAIL FROM:<>\r\n")
    assert (step.next, step.prelude, step.pending) == (Next.HAND_OVER, b"LHLO client.test\r\n", b"MAIL FROM:<>\r\n")
