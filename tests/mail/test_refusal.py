"""The refusal of each protocol."""

import re

import pytest

from mailproxy.mail.greeting import GREETING_PROTOCOLS, server_speaks_first
from mailproxy.mail.refusal import REFUSALS, goodbye, refusal


@pytest.mark.parametrize(
    ("protocol", "pattern"),
    [
        ("imap", rb"\* BYE \[UNAVAILABLE\] [ -~]+"),
        ("pop3", rb"-ERR \[SYS/TEMP\] [ -~]+"),
        ("smtp", rb"421 4\.3\.2 [ -~]+"),
        ("submission", rb"421 4\.3\.2 [ -~]+"),
        ("lmtp", rb"421 4\.3\.2 [ -~]+"),
        ("managesieve", rb'BYE \(TRYLATER\) "[ !#-~]+"'),
    ],
)
def test_refusal_is_one_line_of_the_protocol(protocol: str, pattern: bytes) -> None:
    assert re.fullmatch(pattern + rb"\r\n", refusal(protocol))


def test_tcp_is_refused_without_a_word() -> None:
    assert refusal("tcp") == b""


def test_unknown_protocol_is_our_bug() -> None:
    with pytest.raises(KeyError):
        refusal("gopher")


def test_every_protocol_but_tcp_begins_with_the_server() -> None:
    assert frozenset(REFUSALS) - {"tcp"} == GREETING_PROTOCOLS
    assert server_speaks_first("managesieve")
    assert not server_speaks_first("tcp")


# The goodbye.


@pytest.mark.parametrize("protocol", ["imap", "smtp", "submission", "lmtp", "managesieve"])
def test_goodbye_is_what_refuses(protocol: str) -> None:
    assert goodbye(protocol) == refusal(protocol)


@pytest.mark.parametrize("protocol", ["pop3", "tcp"])
def test_server_that_only_answers_says_no_goodbye(protocol: str) -> None:
    assert goodbye(protocol) == b""


@pytest.mark.parametrize("protocol", sorted(REFUSALS))
def test_goodbye_is_one_line_at_most(protocol: str) -> None:
    assert goodbye(protocol).count(b"\n") == bool(goodbye(protocol))
