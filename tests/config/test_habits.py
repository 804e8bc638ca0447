"""What those are told who write HAProxy's words."""

import pytest

from tests.config.builders import problem, problems


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("backend__dovecot__server__d1__address", "10.0.0.1:143 check inter 2s", 'the address alone: "10.0.0.1:143"'),
        ("backend__dovecot__server__d1__address", " ", "the address alone"),
        ("backend__dovecot__server__d1__send_proxy_v2", True, 'send-proxy = "v2"'),
        ("backend__dovecot__send_proxy_v2", True, 'send-proxy = "v2"'),
        ("backend__dovecot__send_proxy", True, '"v2-ssl" is the usual one'),
        ("backend__dovecot__server__d1__send_proxy", True, "is for the backend to say"),
        ("backend__dovecot__check", True, 'check = { type = "mail"'),
        ("backend__dovecot__server__d1__check", "inter 2s", 'check = { type = "mail"'),
        ("backend__dovecot__check", {"type": "imap"}, 'type = "mail" speaks it'),
        ("backend__dovecot__timeout", {"server": "30m"}, "[frontend.NAME.timeout]"),
        ("backend__dovecot__timeout", {"client": "30m"}, "[frontend.NAME.timeout]"),
        ("backend__dovecot__mode", "tcp", "protocol"),
        ("frontend__imaps__mode", "tcp", "protocol"),
        ("frontend__imaps__ssl", True, '"implicit"'),
        ("frontend__imaps__tls", True, 'needs one of "implicit"'),
        ("backend__dovecot__server__d1__ssl", True, "true or a table for a server"),
    ],
)
def test_word_is_translated(key: str, value: object, told: str) -> None:
    assert told in problem(**{key: value})


def test_switch_of_a_server_is_no_frontends() -> None:
    (found,) = problems(backend__dovecot__server__d1__tls="yes")
    assert "implicit" not in found
