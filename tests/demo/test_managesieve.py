"""The demo's ManageSieve server."""

from base64 import b64encode

import pytest

from mailproxy.demo.account import PLAIN
from mailproxy.demo.managesieve import ManageSieveServer
from tests.demo.conversation import Conversation

LOGIN = f'AUTHENTICATE "PLAIN" "{PLAIN}"'.encode()


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def client(reported: list[str]) -> Conversation:
    return Conversation(ManageSieveServer(reported.append))


def test_greeting_is_the_listing(client: Conversation) -> None:
    assert client.greeting[-1] == b"OK"
    assert b'"SASL" "PLAIN"' in client.greeting


def test_listing_is_given_again(client: Conversation) -> None:
    assert client.say(b"capability") == client.greeting


def test_account_logs_in(client: Conversation, reported: list[str]) -> None:
    assert client.say(LOGIN) == [b"OK"]
    assert reported == ["alice logs in by ManageSieve"]


@pytest.mark.parametrize("response", [b64encode(b"\0alice\0wrong"), b64encode(b"alice"), b"====", b"A"])
def test_bad_login_is_refused(client: Conversation, reported: list[str], response: bytes) -> None:
    assert client.say(b'AUTHENTICATE "PLAIN" "%s"' % response) == [b'NO "wrong user or password"']
    assert reported == []


def test_scripts_are_listed_after_a_login(client: Conversation) -> None:
    assert client.say(b"LISTSCRIPTS")[0].startswith(b"NO ")
    assert client.say(LOGIN, b"LISTSCRIPTS") == [b"OK", b'OK "no scripts"']


def test_unknown_command_is_refused(client: Conversation) -> None:
    assert client.say(b"PUTSCRIPT x")[0].startswith(b"NO ")


def test_connection_ends_after_logout(client: Conversation) -> None:
    assert client.say(b"NOOP", b"LOGOUT") == [b"OK", b"OK"]
    assert client.transport.disconnecting
