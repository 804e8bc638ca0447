"""Errors for HAProxy's words, and for keys in the wrong table."""

import pytest

from tests.config.builders import problem, problems


@pytest.mark.parametrize(
    ("key", "value", "reported"),
    [
        ("backend__dovecot__server__d1__address", "10.0.0.1:143 check inter 2s", 'the address alone: "10.0.0.1:143"'),
        ("backend__dovecot__server__d1__address", " ", "the address alone"),
        (
            "backend__dovecot__server__d1__send_proxy_v2",
            True,
            'such as send-proxy = "v2-ssl"',
        ),
        ("backend__dovecot__send_proxy_v2", True, 'did you mean "send-proxy" (one of'),
        ("backend__dovecot__send_proxy", True, 'such as send-proxy = "v2-ssl"'),
        ("backend__dovecot__server__d1__send_proxy", True, "is a key of [backend.NAME], not of this table"),
        ("backend__dovecot__check", True, 'check = { type = "mail"'),
        ("backend__dovecot__server__d1__check", "inter 2s", 'check = { type = "mail"'),
        ("backend__dovecot__check", {"type": "imap"}, 'type = "mail" speaks it'),
        ("backend__dovecot__timeout", {"server": "30m"}, "[frontend.NAME.timeout]"),
        ("backend__dovecot__timeout", {"client": "30m"}, "[frontend.NAME.timeout]"),
        (
            "backend__dovecot__inter",
            "2s",
            "is a key of [backend.NAME.check] and ",
        ),
        ("tls__default__certificate", "a.pem", 'did you mean "certificates"?'),
        ("hard_stop", "2s", 'did you mean "hard-stop-after"?'),
        ("backend__dovecot__mode", "tcp", "for protocol of [frontend.NAME]"),
        ("frontend__imaps__mode", "tcp", "protocol"),
        ("frontend__imaps__ssl", True, 'did you mean "tls" (one of "implicit"'),
        ("frontend__imaps__tls", True, 'needs one of "implicit"'),
        ("backend__dovecot__server__d1__ssl", True, 'did you mean "tls" (true, false or a table'),
    ],
)
def test_word_is_translated(key: str, value: object, reported: str) -> None:
    assert reported in problem(**{key: value})


def test_switch_of_a_server_is_no_frontends() -> None:
    (found,) = problems(backend__dovecot__server__d1__tls="yes")
    assert "implicit" not in found
