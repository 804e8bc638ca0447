import pytest

from mailproxy.config import ServerTls
from tests.config.builders import problem, read

ADDRESS = "10.0.0.1:143"


def tls(own: object, general: object = None, address: str = ADDRESS) -> ServerTls | None:
    """What d1 has with `own` in its table and `general` in that of all servers."""
    changes = {} if general is None else {"backend__dovecot__default_server": {"tls": general}}
    server = {"address": address} if own is None else {"address": address, "tls": own}
    return read(backend__dovecot__server={"d1": server}, **changes).backends["dovecot"].servers[0].tls


def wrong(own: object, address: str = ADDRESS) -> str:
    found = problem(backend__dovecot__server={"d1": {"address": address, "tls": own}})
    return found.removeprefix("backend.dovecot.server.d1.")


def test_servers_are_without_tls() -> None:
    assert tls(None) is None


@pytest.mark.parametrize("on", [True, {}])
def test_certificates_are_verified(on: object) -> None:
    assert tls(on) == ServerTls(
        verify="required", ca=None, verify_name=None, sni=None, certificate=None, min_version="1.2"
    )


def test_every_key_of_tls_is_read() -> None:
    assert tls(
        {
            "ca": "ca.pem",
            "verify-name": "MAIL.example.org.",
            "sni": "client",
            "certificate": "/etc/front.pem",
            "min-version": "1.3",
        }
    ) == ServerTls(
        ca="/etc/mailproxy/ca.pem",
        verify_name="mail.example.org",
        sni="client",
        certificate="/etc/front.pem",
        min_version="1.3",
    )


def test_tables_are_merged_key_by_key() -> None:
    assert tls({"sni": "b.example"}, {"ca": "/ca.pem", "sni": "a.example"}) == ServerTls(ca="/ca.pem", sni="b.example")


def test_true_keeps_what_is_set_for_all() -> None:
    assert tls(True, {"ca": "/ca.pem"}) == ServerTls(ca="/ca.pem")


def test_false_turns_tls_off() -> None:
    assert tls(False, {"ca": "/ca.pem"}) is None


def test_table_turns_tls_on() -> None:
    assert tls({"ca": "/ca.pem"}, False) == ServerTls(ca="/ca.pem")


def test_tls_takes_no_other_value() -> None:
    assert wrong("yes") == 'tls: is the string "yes", needs true, false or a table such as { ca = FILE }'


@pytest.mark.parametrize("name", ["10.0.0.1", "2001:db8::1", "xn--bcher-kva.example", "localhost"])
def test_name_may_be_an_address(name: str) -> None:
    found = tls({"verify-name": name})
    assert found is not None
    assert found.verify_name == name


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"verify": "no"}, 'tls.verify: is "no", needs one of "required", "none"; did you mean "none"?'),
        ({"verify": "none", "ca": "/c"}, 'tls.ca: has no effect with verify = "none"; leave one of them out'),
        (
            {"verify": "none", "verify-name": "a.example"},
            'tls.verify-name: has no effect with verify = "none"; leave one of them out',
        ),
        ({"sni": "client"}, 'tls.sni: is "client", and what a client asks for says nothing about the server: it needs'),
        ({"sni": "10.0.0.1"}, 'tls.sni: is "10.0.0.1", which is not an IP address, and a host name'),
        ({"verify-name": "a_b.example"}, 'tls.verify-name: is "a_b.example", in which "a_b" may have only'),
        ({"verify-name": "fe80::1%eth0"}, 'tls.verify-name: is "fe80::1%eth0"; no certificate has an address'),
        ({"min-version": "1.1"}, 'tls.min-version: is "1.1", needs one of "1.2", "1.3"'),
        ({"certificat": "/c"}, 'tls.certificat: is not a key that mailproxy knows; did you mean "certificate"?'),
    ],
)
def test_wrong_value_is_refused_with_what_is_needed(values: object, complaint: str) -> None:
    assert wrong(values).startswith(complaint)


def test_clients_name_need_not_be_the_servers_if_nobody_verifies() -> None:
    assert tls({"sni": "client", "verify": "none"}) == ServerTls(sni="client", verify="none")


def test_server_may_do_without_what_all_others_verify() -> None:
    assert tls({"verify": "none"}, {"ca": "/ca.pem"}) == ServerTls(verify="none", ca="/ca.pem")


SRV = "srv:_imap._tcp.example.org"


@pytest.mark.parametrize(("address", "what"), [("/run/d1", "a UNIX socket"), (SRV, "unsigned SRV records")])
def test_address_without_a_name_needs_verify_name(address: str, what: str) -> None:
    assert (
        wrong(True, address) == f"tls: needs verify-name, the name in the server's certificate: its address is {what}"
    )


@pytest.mark.parametrize("address", ["/run/d1", SRV])
@pytest.mark.parametrize("values", [{"verify-name": "a.example"}, {"sni": "a.example"}, {"verify": "none"}])
def test_address_without_a_name_may_be_verified_by_another_or_not_at_all(address: str, values: object) -> None:
    assert tls(values, address=address) is not None
