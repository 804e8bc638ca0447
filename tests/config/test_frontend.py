from ipaddress import IPv4Address, ip_network

import pytest

from mailproxy.config import Frontend, FrontendTimeouts, InetBind
from tests.config.builders import MISSING, problem, problems, read


def frontend(**changes: object) -> Frontend:
    return read(**{f"frontend__imaps__{key}": value for key, value in changes.items()}).frontends[0]


def test_frontend_has_defaults() -> None:
    assert frontend() == Frontend(
        name="imaps",
        bind=(InetBind(IPv4Address("0.0.0.0"), 993),),
        protocol="imap",
        tls="implicit",
        tls_profile="default",
        alpn=("imap",),
        backend="dovecot",
        accept_proxy=(),
        accept_proxy_only=False,
        accept_proxy_optional=(),
        tls_offloaded_by=(),
        log_tlvs=(),
        maxconn=20000,
        timeout=FrontendTimeouts(
            proxy_header=5,
            proxy_header_optional=0.5,
            handshake=10,
            client=2100,
            server=2100,
            client_fin=60,
            server_fin=60,
            close=5,
        ),
    )


def test_every_key_of_a_frontend_is_read() -> None:
    found = frontend(
        alpn=["imap"],
        accept_proxy=["10.0.0.0/8", "192.0.2.1"],
        accept_proxy_only=True,
        accept_proxy_optional=["::1", "unix"],
        log_tlvs=["azure", 0xE3],
        maxconn=5,
        timeout={"proxy-header": "3s", "proxy-header-optional": "1s", "client-fin": "10s"},
    )
    assert found.alpn == ("imap",)
    assert found.accept_proxy == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"))
    assert found.accept_proxy_only
    assert found.accept_proxy_optional == (ip_network("::1/128"), "unix")
    assert found.log_tlvs == (0xEE, 0xE3)
    assert found.maxconn == 5
    assert found.timeout == FrontendTimeouts(proxy_header=3, proxy_header_optional=1, client_fin=10)


def test_without_tls_there_is_no_profile() -> None:
    assert frontend(tls="none").tls_profile is None


@pytest.mark.parametrize("key", ["bind", "protocol", "backend"])
def test_bind_protocol_and_backend_are_needed(key: str) -> None:
    assert problem(**{f"frontend__imaps__{key}": MISSING}).startswith(f"frontend.imaps.{key}: is missing, needs ")


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ("imap", ("imap",)),
        ("pop3", ("pop3",)),
        ("managesieve", ("managesieve",)),
        ("submission", ("submission", "smtp", "esmtp")),
        ("smtp", ("smtp", "esmtp")),
        ("lmtp", ("lmtp", "smtp", "esmtp")),
        ("tcp", ()),
    ],
)
def test_alpn_is_the_protocol_s_own(protocol: str, names: tuple[str, ...]) -> None:
    assert frontend(protocol=protocol).alpn == names


def test_alpn_is_not_answered_if_it_is_empty() -> None:
    assert frontend(alpn=[]).alpn == ()


def test_without_tls_there_is_no_alpn() -> None:
    assert frontend(tls="none").alpn == ()


@pytest.mark.parametrize("key", ["tls_profile", "alpn"])
def test_tls_settings_need_tls(key: str) -> None:
    value: object = ["imap"] if key == "alpn" else "default"
    found = problem(**{"frontend__imaps__tls": "none", f"frontend__imaps__{key}": value})
    assert found.endswith(': has no effect with tls = "none"; leave it out or use tls = "implicit"')


@pytest.mark.parametrize(
    ("bind", "keys", "destination"),
    [
        (["192.0.2.1:993"], {}, "192.0.2.1:993"),
        (["0.0.0.0:993", "[::]:993"], {}, None),
        (["/run/mail.sock", "[::]:143", "[2001:db8::1]:993"], {}, "[2001:db8::1]:993"),
        (["192.0.2.1:0"], {}, None),
        (["192.0.2.1:993"], {"accept_proxy": ["10.0.0.0/8"]}, None),
        (["192.0.2.1:993"], {"accept_proxy_optional": ["10.0.0.0/8"]}, None),
    ],
)
def test_where_clients_connect_to_is_known_if_it_is_one_address(
    bind: list[str], keys: dict[str, object], destination: str | None
) -> None:
    found = frontend(bind=bind, **keys).destination
    assert (found and str(found)) == destination


def test_tls_offloaded_by_takes_networks_and_unix() -> None:
    found = frontend(tls="none", tls_offloaded_by=["10.0.0.7", "unix"])
    assert found.tls_offloaded_by == (ip_network("10.0.0.7"), "unix")


@pytest.mark.parametrize("tls", ["implicit", "starttls", "starttls-optional"])
def test_tls_ends_once(tls: str) -> None:
    assert problem(frontend__imaps__tls=tls, frontend__imaps__tls_offloaded_by=["10.0.0.7"]) == (
        f'frontend.imaps.tls-offloaded-by: is for tls = "none"; with "{tls}" it is mailproxy that ends TLS'
    )


@pytest.mark.parametrize("tls", ["starttls", "starttls-optional"])
def test_starttls_has_settings_of_its_own(tls: str) -> None:
    found = frontend(tls=tls, hostname="mail.example.org", capabilities=["IDLE"], timeout={"login": "5s"})
    assert (found.tls, found.tls_profile) == (tls, "default")
    assert (found.hostname, found.capabilities, found.timeout.login) == ("mail.example.org", ("IDLE",), 5.0)
    assert found.has_starttls


@pytest.mark.parametrize(("key", "value"), [("hostname", "a.example"), ("capabilities", ["IDLE"])])
@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_dialogue_settings_need_starttls(tls: str, key: str, value: object) -> None:
    found = problem(**{"frontend__imaps__tls": tls, f"frontend__imaps__{key}": value})
    assert found.endswith(': is for tls = "starttls" and "starttls-optional"; leave it out')


def test_tcp_has_no_starttls() -> None:
    found = problem(frontend__imaps__tls="starttls", frontend__imaps__protocol="tcp")
    assert found == 'frontend.imaps.tls: is "starttls", and protocol = "tcp" has no STARTTLS'


@pytest.mark.parametrize("name", ["", "a b", "é.example", "a" * 254, "a_b"])
def test_hostname_that_is_no_dns_name_is_refused(name: str) -> None:
    found = problem(frontend__imaps__tls="starttls", frontend__imaps__hostname=name)
    assert found.startswith("frontend.imaps.hostname: is ")


@pytest.mark.parametrize("name", ["", " IDLE", "é", "a\r\nb", "x" * 256])
def test_capability_is_a_short_ascii_line(name: str) -> None:
    found = problem(frontend__imaps__tls="starttls", frontend__imaps__capabilities=[name])
    assert "has 1 to 255 printable ASCII characters" in found


@pytest.mark.parametrize("name", ["", "x" * 256, "é", "a\n"])
def test_alpn_is_short_ascii(name: str) -> None:
    assert "has 1 to 255 printable ASCII characters" in problem(frontend__imaps__alpn=[name])


def test_a_header_is_required_or_optional() -> None:
    assert problem(
        frontend__imaps__accept_proxy=["10.0.0.0/8"], frontend__imaps__accept_proxy_optional=["::/0", "10.2.0.0/16"]
    ) == (
        "frontend.imaps.accept-proxy-optional: has 10.2.0.0/16, which overlaps 10.0.0.0/8 of accept-proxy; "
        "a header is one or the other"
    )


def test_clients_of_unix_sockets_send_a_header_or_may() -> None:
    assert problem(frontend__imaps__accept_proxy=["unix"], frontend__imaps__accept_proxy_optional=["unix"]) == (
        "frontend.imaps.accept-proxy-optional: has unix, which overlaps unix of accept-proxy; "
        "a header is one or the other"
    )


def test_sender_is_a_network_or_unix() -> None:
    assert problem(frontend__imaps__accept_proxy=["unxi"]) == (
        'frontend.imaps.accept-proxy[0]: is "unxi", needs a network such as "10.0.0.0/8" or "2001:db8::/32", or one '
        'address, or "unix" for the clients of UNIX sockets'
    )


def test_accept_proxy_only_with_those_who_may() -> None:
    assert frontend(accept_proxy_only=True, accept_proxy_optional=["10.0.0.0/8"]).accept_proxy_only


def test_accept_proxy_only_needs_somebody() -> None:
    assert problem(frontend__imaps__accept_proxy_only=True).startswith(
        "frontend.imaps.accept-proxy-only: needs networks in accept-proxy"
    )


def test_tlvs_to_log_need_headers() -> None:
    assert problem(frontend__imaps__log_tlvs=["aws"]).startswith("frontend.imaps.log-tlvs: needs networks")


def test_refused_logins_are_logged_if_that_is_wanted() -> None:
    assert not frontend().log_refused_logins
    assert frontend(log_refused_logins=True).log_refused_logins


@pytest.mark.parametrize("protocol", ["lmtp", "tcp"])
def test_refused_logins_need_a_protocol_with_logins(protocol: str) -> None:
    assert problem(frontend__imaps__protocol=protocol, frontend__imaps__log_refused_logins=True) == (
        f"frontend.imaps.log-refused-logins: is for protocols with logins, and {protocol} has none; leave it out"
    )


@pytest.mark.parametrize("protocol", ["lmtp", "tcp"])
def test_limit_of_refused_logins_needs_a_protocol_with_logins(protocol: str) -> None:
    limits = {"auth-failures-per-session": 3}
    assert problem(frontend__imaps__protocol=protocol, frontend__imaps__limits=limits) == (
        "frontend.imaps.limits.auth-failures-per-session: is for protocols with logins, "
        f"and {protocol} has none; leave it out"
    )


def test_what_follows_from_a_problem_is_not_reported() -> None:
    assert len(problems(frontend__imaps__accept_proxy=["x"], frontend__imaps__accept_proxy_only=True)) == 1


def test_single_address_is_no_list() -> None:
    assert problem(frontend__imaps__bind="0.0.0.0:993").startswith(
        'frontend.imaps.bind: is the string "0.0.0.0:993", needs a list in which each entry is an address and port'
    )
