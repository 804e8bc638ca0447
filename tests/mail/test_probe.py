"""Learning what a backend offers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.mail.backend.talk import SIZE
from mailproxy.mail.probe import CapabilityProbe
from mailproxy.mail.protocols import PROTOCOLS

# What Dovecot 2.3.19.1 says, with ssl = yes, after a header that says TLS.
DOVECOT: dict[str, list[tuple[bytes, bytes]]] = {
    "imap": [
        (b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ STARTTLS AUTH=PLAIN] ready\r\n", b"a1 CAPABILITY\r\n"),
        (
            b"* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN AUTH=LOGIN\r\n"
            b"a1 OK Pre-login capabilities listed, post-login capabilities have more.\r\n",
            b"a2 LOGOUT\r\n",
        ),
        (b"* BYE Logging out\r\na2 OK Logout completed.\r\n", b""),
    ],
    "pop3": [
        (b"+OK ready\r\n", b"CAPA\r\n"),
        (
            b"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nUSER\r\n"
            b"SASL PLAIN LOGIN\r\n.\r\n",
            b"QUIT\r\n",
        ),
        (b"+OK Logging out\r\n", b""),
    ],
    "submission": [
        (b"220 backend.test ready\r\n", b"EHLO mx.test\r\n"),
        (
            b"250-backend.test\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250-BURL imap\r\n250-CHUNKING\r\n"
            b"250-ENHANCEDSTATUSCODES\r\n250-SIZE\r\n250-STARTTLS\r\n250 PIPELINING\r\n",
            b"QUIT\r\n",
        ),
        (b"221 2.0.0 Bye\r\n", b""),
    ],
    "lmtp": [
        (b"220 backend.test ready\r\n", b"LHLO mx.test\r\n"),
        (
            b"250-backend.test\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n"
            b"250 STARTTLS\r\n",
            b"QUIT\r\n",
        ),
        (b"221 2.0.0 Bye\r\n", b""),
    ],
    "managesieve": [
        (
            b'"IMPLEMENTATION" "Dovecot (Debian) Pigeonhole"\r\n"SIEVE" "fileinto reject vacation"\r\n'
            b'"NOTIFY" "mailto"\r\n"SASL" "PLAIN LOGIN"\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK "ready"\r\n',
            b"LOGOUT\r\n",
        ),
        (b'OK "Logout completed."\r\n', b""),
    ],
}

ANNOUNCED = {
    "imap": (b"IMAP4rev1", b"ID", b"ENABLE", b"IDLE", b"STARTTLS", b"LOGINDISABLED"),
    "pop3": (b"CAPA", b"TOP", b"UIDL", b"RESP-CODES", b"PIPELINING", b"AUTH-RESP-CODE", b"STLS"),
    "submission": (b"8BITMIME", b"ENHANCEDSTATUSCODES", b"SIZE", b"PIPELINING", b"STARTTLS"),
    "lmtp": (b"8BITMIME", b"ENHANCEDSTATUSCODES", b"PIPELINING", b"STARTTLS"),
    "managesieve": (
        b'"SASL" ""',
        b'"IMPLEMENTATION" "Dovecot (Debian) Pigeonhole"',
        b'"SIEVE" "fileinto reject vacation"',
        b'"NOTIFY" "mailto"',
        b'"VERSION" "1.0"',
        b'"STARTTLS"',
    ),
}


def probe(protocol: str, *received: bytes) -> CapabilityProbe:
    """A probe after receiving these bytes."""
    talk = CapabilityProbe(protocol, b"mx.test")
    for data in received:
        talk.receive(data)
    return talk


@pytest.mark.parametrize("protocol", DOVECOT)
def test_dovecot_is_asked_and_left(protocol: str) -> None:
    talk = probe(protocol)
    for received, sent in DOVECOT[protocol]:
        assert not talk.done
        assert talk.receive(received) == sent
    assert talk.done
    assert talk.failure == ""


@pytest.mark.parametrize("protocol", DOVECOT)
def test_what_dovecot_offers_is_announced_without_logins(protocol: str) -> None:
    talk = probe(protocol, *(received for received, _ in DOVECOT[protocol]))
    assert talk.capabilities is not None
    assert PROTOCOLS[protocol].offer.announced(talk.capabilities, optional=False) == ANNOUNCED[protocol]


@pytest.mark.parametrize("protocol", DOVECOT)
def test_starttls_in_a_listing_is_noticed(protocol: str) -> None:
    assert probe(protocol, *(received for received, _ in DOVECOT[protocol])).still_offers_starttls


@pytest.mark.parametrize("protocol", DOVECOT)
def test_listing_without_starttls_is_as_it_should_be(protocol: str) -> None:
    received = [received.replace(b"START", b"X").replace(b"STLS\r\n", b"") for received, _ in DOVECOT[protocol]]
    talk = probe(protocol, *received)
    assert talk.capabilities
    assert not talk.still_offers_starttls


@pytest.mark.parametrize("protocol", DOVECOT)
def test_connection_that_ends_instead_of_a_goodbye_has_taught_the_same(protocol: str) -> None:
    talk = probe(protocol, *(received for received, _ in DOVECOT[protocol][:-1]))
    assert not talk.done
    talk.end()
    assert talk.done
    assert talk.capabilities
    assert talk.failure == ""


@pytest.mark.parametrize("protocol", DOVECOT)
def test_connection_that_ends_before_the_list_is_a_failure(protocol: str) -> None:
    talk = probe(protocol, *(received for received, _ in DOVECOT[protocol][:-2]))
    talk.end()
    assert (talk.done, talk.capabilities) == (True, None)
    assert talk.failure == "closed before it listed its capabilities"


@pytest.mark.parametrize(
    ("protocol", "received", "failure"),
    [
        ("imap", b"* BYE no\r\n", "greeting: expected * OK, got * BYE no"),
        ("imap", b"* OK\r\n* BYE bye\r\na1 NO later\r\n", "CAPABILITY: expected a list and OK, got a1 NO later"),
        ("imap", b"* OK\r\na1 OK nothing\r\n", "CAPABILITY: expected a list and OK, got a1 OK nothing"),
        ("pop3", b"-ERR no\r\n", "greeting: expected +OK, got -ERR no"),
        ("smtp", b"554 no\r\n", "greeting: expected 220, got 554 no"),
        ("smtp", b"220 x\r\n421 later\r\n", "EHLO: expected 250, got 421 later"),
        ("lmtp", b"220 x\r\n250_x\r\n", "LHLO: expected 250, got 250_x"),
        ("managesieve", b"BYE\r\n", "greeting: expected OK, got BYE"),
        ("imap", b"x" * (SIZE + 1), f"more than {SIZE} bytes"),
    ],
)
def test_failure_is_reported(protocol: str, received: bytes, failure: str) -> None:
    talk = probe(protocol, received)
    assert (talk.done, talk.capabilities, talk.failure) == (True, None, failure)
    talk.end()
    assert talk.failure == failure


def test_waits_for_dovecots_auth_process() -> None:
    assert probe("imap").receive(b"* OK Waiting for authentication process to respond..\r\n") == b""


@pytest.mark.parametrize(
    ("protocol", "received"), [("pop3", b"+OK\r\n-ERR what\r\n"), ("smtp", b"220 x\r\n502 what\r\n")]
)
def test_server_without_extensions_offers_none(protocol: str, received: bytes) -> None:
    assert probe(protocol, received).capabilities == ()


def test_odd_goodbye_is_no_failure() -> None:
    talk = probe("smtp", b"220 x\r\n", b"250 x\r\n", b"bye\r\n")
    assert (talk.done, talk.capabilities, talk.failure) == (True, (), "")


def test_nothing_is_sent_once_the_probe_is_done() -> None:
    talk = probe("pop3", b"-ERR\r\n")
    assert talk.receive(b"+OK\r\n") == b""


def test_tcp_has_nothing_to_learn() -> None:
    with pytest.raises(KeyError):
        probe("tcp")


@given(
    st.sampled_from(sorted(DOVECOT)),
    st.lists(
        st.binary(max_size=8) | st.sampled_from((b"* OK\r\n", b"+OK\r\n", b"220 \r\n", b"OK\r\n", b'"A" {1}\r\n'))
    ),
)
def test_anything_is_read_without_an_error(protocol: str, received: list[bytes]) -> None:
    talk = probe(protocol, *received)
    talk.end()
    assert talk.done
    assert (talk.capabilities is None) == bool(talk.failure)


@pytest.mark.parametrize("protocol", ["lmtp", "submission", "smtp"])
@pytest.mark.parametrize("ok", [b"Ok SESSIONID=<cyrus-1-1>", b"OK", b"ok"])
def test_line_that_says_ok_is_no_extension(protocol: str, ok: bytes) -> None:
    for reply in (b"250-mx\r\n250-%s\r\n250 SIZE\r\n" % ok, b"250-mx\r\n250-SIZE\r\n250 %s\r\n" % ok):
        assert probe(protocol, b"220 ready\r\n", reply).capabilities == (b"SIZE",)


def test_extension_whose_name_begins_with_ok_is_one() -> None:
    assert probe("lmtp", b"220 ready\r\n", b"250-mx\r\n250 OKAY\r\n").capabilities == (b"OKAY",)


@pytest.mark.parametrize(
    ("protocol", "received"),
    [
        ("lmtp", (b"220 ready\r\n", b"250-mx\r\n250-<session 1>\r\n250 SIZE\r\n")),
        ("pop3", (b"+OK ready\r\n", b"+OK\r\nSESSION \x07\r\nSIZE\r\n.\r\n")),
        ("imap", (b"* OK ready\r\n", b"* CAPABILITY (session) SIZE\r\na1 OK done\r\n")),
    ],
)
def test_what_is_no_capability_by_the_syntax_is_not_learned(protocol: str, received: tuple[bytes, ...]) -> None:
    assert probe(protocol, *received).capabilities == (b"SIZE",)
