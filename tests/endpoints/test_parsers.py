from __future__ import annotations

import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, clientFromString, serverFromString
from twisted.internet.interfaces import ITransport
from twisted.internet.testing import MemoryReactorClock, StringTransport

from mailproxy.endpoints import AcceptPolicy, AcceptProxyServerEndpoint, ClientHeader, SendProxyClientEndpoint
from mailproxy.proxyprotocol import Expectation, Header, InetAddress, SslClient, SslTlv, Strictness
from mailproxy.proxyprotocol.options import HeaderKind
from tests.endpoints.network import SERVER_NAME, authority, identity
from tests.endpoints.protocols import Made, Recording, result
from tests.endpoints.sockets import Sockets

MUCH = bytes(100_000)  # Twisted gathers small writes for the time of the global reactor
README = Path(__file__).parents[2] / "README.md"
UNREADABLE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
CLIENT = ITransport(StringTransport())


def server(text: str) -> AcceptProxyServerEndpoint:
    endpoint = serverFromString(MemoryReactorClock(), text)
    assert isinstance(endpoint, AcceptProxyServerEndpoint)
    return endpoint


def client(text: str) -> SendProxyClientEndpoint:
    endpoint = clientFromString(MemoryReactorClock(), text)
    assert isinstance(endpoint, SendProxyClientEndpoint)
    return endpoint


class TestAcceptProxy:
    def test_options_have_defaults(self) -> None:
        endpoint = server(r"accept-proxy:tcp\:143:trusted=10.0.0.0/8")
        assert endpoint.policy == AcceptPolicy(trusted=(ip_network("10.0.0.0/8"),))
        assert isinstance(endpoint.endpoint, TCP4ServerEndpoint)

    def test_every_peer_must_send_a_header_if_none_is_named(self) -> None:
        policy = server(r"accept-proxy:tcp\:143").policy
        for peer in (ip_address("192.0.2.1"), ip_address("2001:db8::1"), None):
            assert policy.expectation(peer) is Expectation.HEADER

    def test_nobody_else_is_trusted_beside_those_named(self) -> None:
        policy = server(r"accept-proxy:tcp\:143:optional=10.0.0.0/8").policy
        assert (policy.trusted, policy.unix) == ((), False)

    def test_unix_sockets_may_be_optional(self) -> None:
        policy = server(r"accept-proxy:unix\:/run/mail.sock:optional=10.0.0.0/8,unix").policy
        assert policy == AcceptPolicy(optional=["10.0.0.0/8"], optional_unix=True)

    def test_every_option_is_read(self) -> None:
        endpoint = server(
            r"accept-proxy:tcp\:143:trusted=10.0.0.0/8, fd00\:\:/8,unix:optional=192.168.0.0/16"
            ":others=refused:timeout=3.5:maxSize=536:versions=2:crc32c=required"
        )
        assert endpoint.policy == AcceptPolicy(
            trusted=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
            optional=(ip_network("192.168.0.0/16"),),
            refuse_others=True,
            unix=True,
            timeout=3.5,
            strictness=Strictness(versions=(2,), max_size=536, require_crc32c=True),
        )

    @pytest.mark.parametrize("equals", ["=", r"\="])
    def test_options_of_the_wrapped_endpoint_are_its_own(self, equals: str) -> None:
        reactor = MemoryReactorClock()
        text = rf"accept-proxy:tcp\:143\:interface{equals}127.0.0.1\:backlog{equals}7:trusted=10.0.0.0/8"
        serverFromString(reactor, text).listen(Made())
        port, _, backlog, interface = reactor.tcpServers[0]
        assert (port, backlog, interface) == (143, 7, "127.0.0.1")

    def test_clock_is_the_reactor(self) -> None:
        reactor = MemoryReactorClock()
        endpoint = serverFromString(reactor, r"accept-proxy:tcp\:143:trusted=10.0.0.0/8")
        assert isinstance(endpoint, AcceptProxyServerEndpoint)
        assert endpoint.clock is reactor

    def test_headers_without_addresses_can_be_refused(self) -> None:
        strictness = server(r"accept-proxy:tcp\:143:local=refused:unspec=refused").policy.strictness
        assert (strictness.accept_local, strictness.accept_unspec) == (False, False)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (r"tcp\:143:trusted=", "trusted= is empty; leave it out if every peer must send a header"),
            (r"tcp\:143:optional=", "trusted= is empty"),
            (r"tcp\:143:trusted=banana", "'banana' is neither a network like 10.0.0.0/8"),
            (r"tcp\:143:trusted=10.0.0.0/8:others=maybe", "others=maybe is wrong; needs direct or refused"),
            (r"tcp\:143:others=refused", "others has no effect without trusted or optional"),
            (r"tcp\:143:timeout=soon", "timeout=soon is wrong; needs a number of seconds"),
            (r"tcp\:143:timeout=0", "timeout 0.0 is not a number of seconds above 0"),
            (r"tcp\:143:versions=3", "versions=3 is wrong; needs 1, 2 or 1,2"),
            (r"tcp\:143:maxSize=big", "maxSize=big is wrong; needs a number of bytes"),
            (r"tcp\:143:maxSize=inf", "maxSize=inf is wrong; needs a number of bytes"),
            (r"tcp\:143:maxSize=7", "max_size 7 is less than the 52 bytes"),
            (r"tcp\:143:versions=1:crc32c=required", "crc32c=required refuses every header of version 1"),
            (r"tcp\:143:trustd=10.0.0.0/8", "trustd is no option of it; did you mean trusted?"),
            (
                r"tcp\:143:interface=127.0.0.1",
                r"one of the wrapped endpoint has a backslash before its colon, \:interface=127.0.0.1",
            ),
            ("tcp:143", r"the colons of the wrapped endpoint need a backslash; write accept-proxy:tcp\:143"),
            (
                r"tcp:143:interface=\:\:1:timeout=3",
                r"need a backslash; write accept-proxy:tcp\:143\:interface=\\\:\\\:1",
            ),
            (
                r"tcp\:143:trusted=fd00::/8,10.0.0.0/8:timeout=3",
                r"the colons of the option trusted need a backslash; "
                r"write accept-proxy:tcp\:143:trusted=fd00\:\:/8,10.0.0.0/8",
            ),
            (
                r"tcp\:143\:interface=\\\:\\\:1:optional=::1",
                r"the colons of the option optional need a backslash; "
                r"write accept-proxy:tcp\:143\:interface=\\\:\\\:1:optional=\:\:1",
            ),
            (
                r"tcp\:143:trusted=fd00::/8:optional=2001:db8::/32",
                r"the colons of trusted or optional need a backslash, as in trusted=fd00\:\:/8",
            ),
            (
                r"tcp:143:trusted=fd00::/8",
                r"the colons of the wrapped endpoint and of the option trusted need a backslash; "
                r"write accept-proxy:tcp\:143:trusted=fd00\:\:/8",
            ),
            (r"unix\:/x:trusted=10.0.0.0/8", "no peer on a UNIX socket has a network; write trusted=unix"),
            (r"unix\:/x:optional=10.0.0.0/8", "no peer on a UNIX socket has a network; write optional=unix"),
            (r"tcp\:143:trusted=unix", "no peer of tcp is on a UNIX socket; name networks, trusted=10.0.0.0/8"),
            ("trusted=10.0.0.0/8", r"names no endpoint to wrap; write accept-proxy:tcp\:143"),
        ],
    )
    def test_slips_are_named_with_what_to_write(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match="accept-proxy: .*" + re.escape(message)):
            server(f"accept-proxy:{text}")

    def test_string_to_write_works(self) -> None:
        reactor = MemoryReactorClock()
        serverFromString(reactor, r"accept-proxy:tcp\:143\:interface=\\\:\\\:1").listen(Made())
        assert reactor.tcpServers[0][3] == "::1"


@pytest.fixture
def pem(tmp_path: Path) -> str:
    """A file with a certificate and its key."""
    file = tmp_path / "server.pem"
    identity(SERVER_NAME).private_key_and_cert_chain_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture
def roots(tmp_path: Path) -> str:
    """A folder with our authority's certificate."""
    folder = tmp_path / "roots"
    folder.mkdir()
    authority().cert_pem.write_to_path(str(folder / "ca.pem"))
    return str(folder)


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted's own TLS does
class TestTlsPrefixes:
    """The header in plaintext, then TLS, from strings."""

    def connected(self, server: str, client: str) -> tuple[Recording, Recording]:
        reactor = Sockets()
        made = Made()
        serverFromString(reactor, server).listen(made)
        outcome = clientFromString(reactor, client).connect(Made())
        ends = reactor.join()
        (protocol,) = made.protocols
        connected = result(outcome)
        connected.transport.write(MUCH)
        protocol.transport.write(MUCH)  # type: ignore[union-attr]
        reactor.settle()
        for end in ends:
            end.abortConnection()
        reactor.settle()
        return cast(Recording, protocol), cast(Recording, connected)

    def test_both_ends_agree_on_tls_and_the_client(self, pem: str, roots: str) -> None:
        server, client = self.connected(
            rf"accept-proxy-tls:tcp\:143:certKey={pem}:trusted=10.0.0.0/8",
            rf"send-proxy-v2-tls:tcp\:10.0.0.1\:143:source=192.0.2.1\:50000:destination=198.51.100.9\:993"
            rf":hostname={SERVER_NAME}:trustRoots={roots}",
        )
        assert getattr(server.peer, "host", None) == "192.0.2.1"
        assert server.received == client.received == MUCH

    def test_key_and_chain_may_have_files_of_their_own(self, tmp_path: Path, roots: str) -> None:
        leaf = identity(SERVER_NAME)
        leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        authority().cert_pem.write_to_path(str(tmp_path / "chain.pem"))
        pair = f"certKey={tmp_path}/cert.pem:privateKey={tmp_path}/key.pem"
        tls = f"hostname={SERVER_NAME}:trustRoots={roots}/ca.pem"
        server, _ = self.connected(
            rf"accept-proxy-tls:tcp\:143:{pair}:extraCertChain={tmp_path}/chain.pem",
            rf"send-proxy-v1-tls:tcp\:10.0.0.1\:143:{tls}:{pair}",
        )
        assert server.received == MUCH

    def test_client_is_announced_before_tls(self) -> None:
        endpoint = client(rf"send-proxy-v2-ssl-tls:tcp\:10.0.0.1\:143:hostname={SERVER_NAME}")
        assert endpoint.header == ClientHeader("v2-ssl")
        assert endpoint.forClient(CLIENT).tls is endpoint.tls is not None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("", "certKey is missing, the PEM file with the certificate"),
            (":certKey=/nowhere.pem", "certKey=/nowhere.pem: No such file or directory"),
            (":certKey={roots}/ca.pem", "certKey={roots}/ca.pem has no private key that can be read"),
            (":certKey={pem}:privateKey={roots}/ca.pem", "privateKey={roots}/ca.pem has no private key"),
            (":certKey={pem}:privateKey={other}", "privateKey={other} has the key of another certificate than {pem}"),
            (":certKey={unpaired}", "certKey={unpaired} has the key of another certificate than its first"),
            (":certKey={pem}:extraCertChain={bad}", "extraCertChain={bad} has a certificate that cannot be read"),
            (":privateKey={other}", "certKey is missing, the PEM file with the certificate"),
            (":certKey={readme}", "certKey={readme} has no certificate in PEM form"),
            (":certKey={pem}:hostname=x", "hostname is no option of it"),
        ],
    )
    def test_unusable_files_of_a_server_are_refused(self, options: str, message: str, pem: str, roots: str) -> None:
        other, unpaired = Path(roots) / "other.key", Path(roots) / "unpaired.crt"
        identity("other.test").private_key_pem.write_to_path(str(other))
        unpaired.write_bytes(identity(SERVER_NAME).cert_chain_pems[0].bytes() + other.read_bytes())
        bad = Path(roots) / "bad.crt"
        bad.write_text(UNREADABLE)
        files = {"other": other, "unpaired": unpaired, "bad": bad, "readme": README}
        names = {"pem": pem, "roots": roots, **{name: str(file) for name, file in files.items()}}
        with pytest.raises(ValueError, match=f"accept-proxy-tls: {re.escape(message.format(**names))}"):
            serverFromString(MemoryReactorClock(), r"accept-proxy-tls:tcp\:143" + options.format(**names))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("", "hostname is missing, the name that the server's certificate has"),
            (":hostname=a.test:trustRoots=/nowhere", "trustRoots=/nowhere: No such file or directory"),
            (":hostname=a b", "hostname=a b is not a host name"),
            (
                ":hostname=a.test:trustRoots={empty}/bad.crt",
                "trustRoots={empty}/bad.crt has a certificate that cannot be read",
            ),
            (":hostname=a.test:trustRoots={empty}", "trustRoots={empty} has no *.pem"),
            (":hostname=a.test:privateKey={readme}", "certKey is missing, the PEM file with the certificate"),
        ],
    )
    def test_unusable_files_of_a_client_are_refused(self, options: str, message: str, tmp_path: Path) -> None:
        (tmp_path / "bad.crt").write_text(UNREADABLE)
        names = {"empty": str(tmp_path), "readme": str(README)}
        with pytest.raises(ValueError, match=f"send-proxy-v2-tls: {re.escape(message.format(**names))}"):
            client(r"send-proxy-v2-tls:tcp\:10.0.0.1\:143" + options.format(**names))


class TestSendProxy:
    @pytest.mark.parametrize("kind", get_args(HeaderKind))
    def test_every_kind_of_header_has_a_prefix(self, kind: HeaderKind) -> None:
        endpoint = client(rf"send-proxy-{kind}:tcp\:10.0.0.1\:143")
        assert endpoint.header == ClientHeader(kind)
        assert isinstance(endpoint.endpoint, TCP4ClientEndpoint)

    def test_options_are_read(self) -> None:
        endpoint = client(r"send-proxy-v2-ssl:tcp\:10.0.0.1\:143:profile=exim:protocol=imap:options=authority,alpn")
        assert endpoint.header == ClientHeader("v2-ssl", "exim", "imap", ("authority", "alpn"))
        assert endpoint.budget == 232

    def test_fixed_addresses_make_a_fixed_header(self) -> None:
        endpoint = client(r"send-proxy-v2-ssl:tcp\:10.0.0.1\:143:source=192.0.2.1\:50000:destination=198.51.100.9\:143")
        assert endpoint.header == Header.proxy(
            InetAddress.parse("192.0.2.1:50000"),
            InetAddress.parse("198.51.100.9:143"),
            (SslTlv(SslClient(0), 1).tlv(),),
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (r"tcp\:h\:143:source=192.0.2.1\:50000", "source without destination: a header has both"),
            (r"tcp\:h\:143:destination=192.0.2.1\:50000", "destination without source: a header has both"),
            (r"tcp\:h\:143:source=192.0.2.1:destination=192.0.2.1\:1", "source=192.0.2.1 is wrong; needs an address"),
            (r"tcp\:h\:143:profile=banana", "profile 'banana' is none of dovecot, postfix"),
            (r"tcp\:h\:143:options=banana", "proxy_v2_options 'banana' is none of ssl-cipher, cert-sig"),
            (
                r"tcp\:h\:143:source=192.0.2.1\:5:destination=192.0.2.1\:1:options=alpn",
                "alpn has no effect with source and destination",
            ),
            (
                r"tcp\:h\:143:source=192.0.2.1:50000:destination=198.51.100.9\:143",
                r"the colons of the option source need a backslash; "
                r"write send-proxy-v2-ssl:tcp\:h\:143:source=192.0.2.1\:50000",
            ),
            (
                r"tcp\:h\:143:source=192.0.2.1:50000:destination=198.51.100.9:143",
                r"the colons of source or destination need a backslash, as in source=192.0.2.1\:50000",
            ),
            (r"tcp\:h:143", r"colons of the wrapped endpoint need a backslash; write send-proxy-v2-ssl:tcp\:h\:143"),
            ("tcp:h:143", r"colons of the wrapped endpoint need a backslash; write send-proxy-v2-ssl:tcp\:h\:143"),
            ("", r"names no endpoint to wrap; write send-proxy-v2-ssl:tcp\:10.0.0.1\:143"),
            (r"tcp\:h\:143:hostname=h", "hostname is no option of it; its options are source, destination"),
        ],
    )
    def test_slips_are_named_with_what_to_write(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match="send-proxy-v2-ssl: .*" + re.escape(message)):
            client(f"send-proxy-v2-ssl:{text}".removesuffix(":"))

    @pytest.mark.parametrize(
        ("kind", "option", "message"),
        [
            ("v1", "alpn", "alpn has no effect with send_proxy 'v1': a header of version 1 has no TLVs"),
            ("v2", "group", "group has no effect with send_proxy 'v2': v2 has no SSL TLV"),
        ],
    )
    def test_options_without_effect_are_refused(self, kind: str, option: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            client(rf"send-proxy-{kind}:tcp\:10.0.0.1\:143:options={option}")


def test_plugins_import_nothing_heavy() -> None:
    script = "import sys, twisted.plugins.mailproxy_endpoints; print(*sys.modules)"
    modules: Any = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert [name for name in modules.split() if name.startswith(("mailproxy.", "OpenSSL", "cryptography"))] == []
