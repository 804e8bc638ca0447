from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, clientFromString, serverFromString
from twisted.internet.testing import MemoryReactorClock

from mailproxy.endpoints import AcceptPolicy, AcceptProxyServerEndpoint, ClientHeader, SendProxyClientEndpoint
from mailproxy.proxyprotocol import Expectation, Header, InetAddress, SslClient, SslTlv, Strictness

from .protocols import Made


def server(text: str) -> AcceptProxyServerEndpoint:
    endpoint = serverFromString(MemoryReactorClock(), text)
    assert isinstance(endpoint, AcceptProxyServerEndpoint)
    return endpoint


def client(text: str) -> SendProxyClientEndpoint:
    endpoint = clientFromString(MemoryReactorClock(), text)
    assert isinstance(endpoint, SendProxyClientEndpoint)
    return endpoint


class TestAcceptProxy:
    def test_defaults(self) -> None:
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

    def test_everything(self) -> None:
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

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (":trusted=", "trusted= names nobody"),
            (":optional=", "trusted= names nobody"),
            (":trusted=banana", "banana"),
            (":trusted=10.0.0.0/8:others=maybe", "others=maybe is neither refused nor direct"),
            (":trusted=10.0.0.0/8:timeout=soon", "soon"),
            (":trusted=10.0.0.0/8:versions=3", "3"),
        ],
    )
    def test_wrong_options_are_named(self, options: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            server(rf"accept-proxy:tcp\:143{options}")


class TestSendProxy:
    @pytest.mark.parametrize("kind", ["v1", "v2", "v2-ssl", "v2-ssl-cn"])
    def test_every_kind(self, kind: str) -> None:
        endpoint = client(rf"send-proxy-{kind}:tcp\:10.0.0.1\:143")
        assert endpoint.header == ClientHeader(kind)
        assert isinstance(endpoint.endpoint, TCP4ClientEndpoint)

    def test_options(self) -> None:
        endpoint = client(r"send-proxy-v2-ssl:tcp\:10.0.0.1\:143:profile=exim:protocol=imap:options=authority,alpn")
        assert endpoint.header == ClientHeader("v2-ssl", "exim", "imap", ("authority", "alpn"))
        assert endpoint.budget == 232

    def test_fixed_addresses(self) -> None:
        endpoint = client(r"send-proxy-v2-ssl:tcp\:10.0.0.1\:143:source=192.0.2.1\:50000:destination=198.51.100.9\:143")
        assert endpoint.header == Header.proxy(
            InetAddress.parse("192.0.2.1:50000"),
            InetAddress.parse("198.51.100.9:143"),
            (SslTlv(SslClient(0), 1).tlv(),),
        )

    @pytest.mark.parametrize("options", [":source=192.0.2.1\\:50000", ":profile=banana", ":options=banana"])
    def test_wrong_options_are_refused(self, options: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            client(rf"send-proxy-v2-ssl:tcp\:10.0.0.1\:143{options}")


def test_plugins_import_nothing_heavy() -> None:
    script = "import sys, twisted.plugins.mailproxy_endpoints; print(*sys.modules)"
    modules: Any = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert [name for name in modules.split() if name.startswith(("mailproxy.", "OpenSSL", "cryptography"))] == []
