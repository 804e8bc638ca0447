"""What a failed attempt means: how it counts, its likely cause, and whether another may follow."""

from __future__ import annotations

from typing import Any

import pytest

from mailproxy.mail.greeting import Greeting
from mailproxy.mail.refusal import Refusal
from mailproxy.session.failure import Counts, Failure, declined, not_reached, refused
from tests.tls.servers import NAME, client_tls

HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 40112 143\r\n"
OF_NOBODY = b"PROXY UNKNOWN\r\n"


def judged(greeting: Greeting | None = None, header: bytes = HEADER, **differences: Any) -> Failure:
    """Return the failure of a server that closes the connection without a word, unless there is a greeting."""
    usual: dict[str, Any] = {
        "has_tls": False,
        "distrusts": "does it trust mailproxy?",
        "is_late": False,
        "is_silent": True,
    }
    return declined(greeting or Greeting(is_accepted=False, reason="closed"), header, **usual | differences)


# How it counts.


@pytest.mark.parametrize("sni", ["client", NAME])
def test_missing_connection_counts_each_time(sni: str) -> None:
    assert not_reached("refused", "connection", client_tls(sni=sni)).counts == "always"


@pytest.mark.parametrize(("sni", "counts"), [("client", "never"), (NAME, "once")])
def test_failed_tls_counts_unless_clients_choose_the_name(sni: str, counts: Counts) -> None:
    assert not_reached("late", "TLS", client_tls(sni=sni), is_late=True) == Failure("late", is_late=True, counts=counts)


def test_failure_may_be_the_client_s_doing_by_default() -> None:
    assert Failure("closed").counts == "once"


# The likely cause.


def test_server_that_closes_after_a_header_may_not_trust_us() -> None:
    assert judged() == Failure("closed; does it trust mailproxy?")


def test_no_cause_is_guessed_if_the_server_gives_a_reason() -> None:
    assert judged(is_silent=False) == Failure("closed")


def test_silent_server_is_late_and_may_speak_tls() -> None:
    assert judged(is_late=True) == Failure("closed; does it speak TLS there? then it needs tls here", is_late=True)


# A refusal in words.


@pytest.mark.parametrize("header", [HEADER, OF_NOBODY, b""])
def test_refusal_is_about_the_client_that_the_header_names(header: bytes) -> None:
    refusal = Refusal(b"554 no\r\n", is_temporary=False)
    greeting = Greeting(is_accepted=False, reason="refused", refusal=refusal)
    assert judged(greeting, header) == refused(refusal, names_client=header == HEADER)


@pytest.mark.parametrize("names_client", [True, False])
@pytest.mark.parametrize("is_temporary", [True, False])
def test_refusal_is_final_if_it_means_the_client_for_good(names_client: bool, is_temporary: bool) -> None:
    failure = refused(Refusal(b"554 no\r\n", is_temporary), names_client=names_client)
    assert failure.is_final == (names_client and not is_temporary)
    assert failure.counts == "never"
