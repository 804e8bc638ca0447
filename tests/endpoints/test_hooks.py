"""The functions of the using program that an accepting endpoint calls."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.logger import capturedLogs, formatEvent

from mailproxy.endpoints.hooks import check_hooks, log_refusal, why_refused
from mailproxy.proxyprotocol import Header, HeaderRefused, InetAddress

PEER = IPv4Address("TCP", "10.0.0.1", 1)
HEADER = Header.proxy(InetAddress(ip_address("192.0.2.7"), 1), InetAddress(ip_address("192.0.2.1"), 993))


def test_check_without_an_error_accepts() -> None:
    assert why_refused(lambda header, peer: None, HEADER, PEER) is None


@pytest.mark.parametrize("reason", ["not blue", ""])
def test_refusal_has_the_reason_of_the_check(reason: str) -> None:
    def check(header: Header, peer: IAddress) -> None:
        raise HeaderRefused(reason)

    assert why_refused(check, HEADER, PEER) == reason


def test_check_that_returns_something_is_a_bug_that_refuses() -> None:
    with capturedLogs() as events:
        reason = why_refused(lambda header, peer: True, HEADER, PEER)
    assert reason == "the check of its header failed with TypeError"
    assert [event["log_failure"].type for event in events] == [TypeError]


def test_refusal_is_logged_with_the_peer() -> None:
    with capturedLogs() as events:
        log_refusal("not blue", PEER)
        log_refusal("not blue", None)
    assert [formatEvent(event) for event in events] == [
        "connection from 10.0.0.1:1 refused: not blue",
        "connection from an unknown peer refused: not blue",
    ]


def test_hook_that_cannot_be_called_is_named() -> None:
    check_hooks(None, log_refusal)
    with pytest.raises(ValueError, match="check 'blue' cannot be called; it is a function or None"):
        check_hooks("blue", None)
