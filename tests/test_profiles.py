"""What the profiles allow."""

import pytest

from mailproxy.profiles import DOVECOT, GENERIC, PROFILES


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("dovecot", 536),
        ("postfix", 536),
        ("exim", 232),
        ("cyrus", 232),
        ("stalwart", 536),
        ("nginx", 107),
        ("generic", 536),
    ],
)
def test_header_has_the_limit_of_the_profile(name: str, budget: int) -> None:
    assert PROFILES[name].limit(client_cert=False) == budget


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("dovecot", 1500),
        ("postfix", 536),
        ("exim", 232),
        ("cyrus", 232),
        ("stalwart", 4096),
        ("nginx", 107),
        ("generic", 536),
    ],
)
def test_header_with_the_client_certificate_has_the_limit_of_the_profile(name: str, budget: int) -> None:
    assert PROFILES[name].limit(client_cert=True) == budget


@pytest.mark.parametrize("protocol", ["imap", "pop3", "submission", "managesieve"])
def test_dovecot_takes_the_name_of_the_service_as_alpn(protocol: str) -> None:
    assert DOVECOT.takes_alpn(protocol, protocol.encode())


@pytest.mark.parametrize(
    ("protocol", "alpn"),
    [("submission", b"smtp"), ("smtp", b"smtp"), ("imap", b"IMAP"), ("imap", b"pop3"), ("lmtp", b"lmtp"), ("tcp", b"")],
)
def test_dovecot_takes_no_other_alpn(protocol: str, alpn: bytes) -> None:
    assert not DOVECOT.takes_alpn(protocol, alpn)


def test_generic_takes_any_alpn() -> None:
    assert GENERIC.takes_alpn("submission", b"smtp")


@pytest.mark.parametrize("name", [b"mail.example.org", b"MAIL_1", b"2001:db8::1", b".", b"a" * 255])
def test_dovecot_takes_what_it_calls_valid_as_authority(name: bytes) -> None:
    assert DOVECOT.takes_authority(name)


@pytest.mark.parametrize("name", [b"", b"a" * 256, b"a..b", b"a b", b"a\n", b"b\xc3\xbccher.example", b"a\0"])
def test_dovecot_takes_no_other_authority(name: bytes) -> None:
    assert not DOVECOT.takes_authority(name)


@pytest.mark.parametrize("name", [b"", b"a..b", "bücher.example\n".encode()])
def test_generic_takes_any_authority(name: bytes) -> None:
    assert GENERIC.takes_authority(name)


@pytest.mark.parametrize("name", PROFILES)
def test_checks_greet_and_say_that_nobody_is_behind_them(name: str) -> None:
    check = PROFILES[name].check
    assert (check.type, check.header, check.inter) == ("mail", "local", 2.0)


@pytest.mark.parametrize("name", PROFILES)
def test_checks_log_in_with_a_header_that_makes_passwords_safe(name: str) -> None:
    assert PROFILES[name].check.login_header == "proxy"


def test_dovecots_penalty_ends_before_a_login_check_does() -> None:
    assert DOVECOT.check.login_timeout > 15.5
