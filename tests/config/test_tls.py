import pytest

from mailproxy.config import TlsProfile
from tests.config.builders import problem, problems, read


def profile(**changes: object) -> TlsProfile:
    return read(**{f"tls__default__{key}": value for key, value in changes.items()}).tls["default"]


def test_profile_has_defaults() -> None:
    assert profile() == TlsProfile(
        name="default",
        certificates=("/etc/ssl/mail.pem",),
        min_version="1.2",
        max_version="1.3",
        client_certificates="none",
        client_ca=(),
        ciphers=None,
        ciphersuites=None,
    )


def test_relative_paths_start_at_the_folder() -> None:
    found = profile(certificates=["mail.pem", "certs/*.pem", "live/"], client_ca="ca.pem")
    assert found.certificates == ("/etc/mailproxy/mail.pem", "/etc/mailproxy/certs/*.pem", "/etc/mailproxy/live/")
    assert found.client_ca == ("/etc/mailproxy/ca.pem",)


def test_certificates_are_needed() -> None:
    assert problem(tls__default__certificates=[]).startswith("tls.default.certificates: is an empty list")


def test_versions_leave_one() -> None:
    assert problem(tls__default__min_version="1.3", tls__default__max_version="1.2") == (
        'tls.default.min-version: is "1.3", above max-version = "1.2"'
    )


def test_haproxy_s_word_for_a_version_brings_ours() -> None:
    assert problem(**{"tls__default__ssl-min-ver": "1.2"}).endswith('did you mean "min-version" (one of "1.2", "1.3")?')


def test_number_is_no_version() -> None:
    assert problem(tls__default__min_version=1.2) == (
        'tls.default.min-version: is the number 1.2, needs one of "1.2", "1.3"'
    )


def test_client_certificates_need_an_authority() -> None:
    assert problem(tls__default__client_certificates="optional") == (
        'tls.default.client-ca: is needed by client-certificates = "optional"'
    )


def test_authority_may_wait_for_client_certificates() -> None:
    assert profile(client_ca="/etc/ssl/clients.pem").client_certificates == "none"


def test_several_authorities_and_lists_are_read() -> None:
    found = profile(client_ca=["a.pem", "/b.pem"], client_crl="a.crl")
    assert found.client_ca == ("/etc/mailproxy/a.pem", "/b.pem")
    assert found.client_crl == ("/etc/mailproxy/a.crl",)


def test_lists_need_an_authority() -> None:
    assert problem(tls__default__client_crl="a.crl").startswith("tls.default.client-crl: has lists, and there is no")


@pytest.mark.parametrize("policy", ["none", "required"])
def test_unverified_is_for_optional_certificates(policy: str) -> None:
    assert problem(
        tls__default__client_certificates=policy,
        tls__default__client_ca="ca.pem",
        tls__default__bad_client_certificate="unverified",
    ).endswith(f'needs client-certificates = "optional"; it is "{policy}"')


def test_ciphers_without_their_version_are_refused() -> None:
    assert "which min-version" in problem(tls__default__ciphers="ECDHE+AESGCM", tls__default__min_version="1.3")
    assert "which max-version" in problem(
        tls__default__ciphersuites="TLS_AES_128_GCM_SHA256", tls__default__max_version="1.2"
    )


def test_ciphersuite_among_the_ciphers_is_noticed() -> None:
    assert problem(tls__default__ciphers="TLS_AES_128_GCM_SHA256:ECDHE+AESGCM") == (
        "tls.default.ciphers: has a TLS 1.3 name (TLS_AES_128_GCM_SHA256); put those into ciphersuites"
    )


def test_one_problem_does_not_hide_another() -> None:
    assert len(problems(tls__default__min_version="1.1", tls__default__client_certificates="yes")) == 2


def test_cbc_ciphers_are_about_the_default() -> None:
    assert problem(tls__default__ciphers="ECDHE+AESGCM", tls__default__cbc_ciphers=False).startswith(
        "tls.default.cbc-ciphers: is about the default of ciphers, and ciphers are given"
    )


def test_haproxy_s_word_for_groups_brings_ours() -> None:
    assert problem(tls__default__curves="X25519").startswith(
        'tls.default.curves: is not a key that mailproxy knows; did you mean "groups"'
    )


def test_life_of_tickets_needs_tickets() -> None:
    assert problem(tls__default__tickets=False, tls__default__ticket_lifetime="1h").startswith(
        "tls.default.ticket-lifetime: has no effect with tickets = false"
    )


def test_ticket_lives_a_week_at_most() -> None:
    assert profile(ticket_lifetime="7d").ticket_lifetime == 7 * 86400
    assert 'the most is "7d"' in problem(tls__default__ticket_lifetime="8d")


def test_log_of_keys_starts_at_the_folder() -> None:
    assert profile(keylog="keys").keylog == "/etc/mailproxy/keys"
