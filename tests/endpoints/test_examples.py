"""The documentation's examples, run as their users run them."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport

from mailproxy.endpoints.parsers import ACCEPT_TLS, SEND_TLS
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Header, Tlv, TlvType, encode
from mailproxy.proxyprotocol.options import HeaderKind
from tests.endpoints.network import SERVER_NAME, ServerTls, authority, identity
from tests.endpoints.protocols import DESTINATION, LISTENING, PROXY, SOURCE

DOCUMENTATION = Path(__file__).parents[2] / "docs"
DEADLINE = 20.0


@contextmanager
def running(example: str, *arguments: str) -> Iterator[int]:
    """Run an example; gives the port it listens on."""
    command = (sys.executable, str(DOCUMENTATION / "examples" / example), *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on port "), line + process.stdout.read()
            yield int(line.split()[-1])
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def accepting() -> Iterator[int]:
    """The port of the example that accepts the header."""
    with running("accept_proxy.py", "0") as port:
        yield port


def sending(front: str, accepting: int) -> AbstractContextManager[int]:
    """Run the example that sends the header to the other one; give the port for clients."""
    return running("send_proxy.py", front, rf"send-proxy-v2-ssl:tcp\:127.0.0.1\:{accepting}")


@pytest.fixture(scope="module")
def proxied(accepting: int) -> Iterator[int]:
    """The port for clients without TLS."""
    with sending("tcp:0:interface=127.0.0.1", accepting) as port:
        yield port


def test_accept_proxy_greets_the_client_of_the_header(accepting: int) -> None:
    with socket.create_connection(("127.0.0.1", accepting), DEADLINE) as connection:
        connection.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n")
        assert connection.makefile("rb").read() == b"* OK 192.0.2.1:40000, no TLS\r\n"


def test_send_proxy_says_who_the_client_is(proxied: int) -> None:
    with socket.create_connection(("127.0.0.1", proxied), DEADLINE) as connection:
        own = connection.getsockname()[1]
        assert connection.makefile("rb").read() == f"* OK 127.0.0.1:{own}, no TLS\r\n".encode()


def test_send_proxy_passes_on_the_greeting_to_a_client_that_only_listens(proxied: int) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", proxied), DEADLINE) as connection:
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read().startswith(b"* OK 127.0.0.1:")


def test_send_proxy_reports_the_clients_tls(tmp_path: Path, accepting: int) -> None:
    pem = tmp_path / "server.pem"
    identity(SERVER_NAME).private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context(cadata=authority().cert_pem.bytes().decode())
    with (
        sending(f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1", accepting) as port,
        socket.create_connection(("127.0.0.1", port), DEADLINE) as connection,
        context.wrap_socket(connection, server_hostname=SERVER_NAME) as secured,
    ):
        own = secured.getsockname()[1]
        assert secured.makefile("rb").read() == f"* OK 127.0.0.1:{own}, TLSv1.3\r\n".encode()


def test_every_example_is_documented() -> None:
    shown = set(re.findall(r"examples/(\w+\.py)", (DOCUMENTATION / "endpoints.md").read_text()))
    assert shown == {path.name for path in (DOCUMENTATION / "examples").glob("*.py")}


PAGE = (DOCUMENTATION / "endpoints.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    """What a reader has at hand: the page's blocks follow each other in one program."""
    return {
        "__name__": "page",
        "reactor": MemoryReactorClock(),
        "factory": Factory.forProtocol(Protocol),
        "certificate_options": ServerTls(),
    }


def test_code_of_the_page_runs(reader: dict[str, Any]) -> None:
    for block in BLOCKS:
        exec(block, reader)
    assert len(BLOCKS) > 10
    pretended: Any = reader["pretended"]
    pretended.tcpServers[0][1].buildProtocol(PROXY).makeConnection(StringTransport(peerAddress=PROXY))
    assert [call.getTime() for call in pretended.getDelayedCalls()] == [5]
    assert reader["server"].wrappedProtocol.transport.getPeer().host == "192.0.2.1"


def test_web_page_of_the_page_tells_who_asks(reader: dict[str, Any]) -> None:
    site = reader["reactor"].tcpServers[-1][1]
    protocol = site.buildProtocol(PROXY)
    transport = StringTransport(hostAddress=LISTENING, peerAddress=PROXY)
    protocol.makeConnection(transport)
    header = encode(Header.proxy(SOURCE, DESTINATION, (Tlv(TlvType.AUTHORITY, b"www.example.test"),))).data
    protocol.dataReceived(header + b"GET / HTTP/1.0\r\n\r\n")
    assert transport.value().endswith(b"\r\n\r\n192.0.2.1 www.example.test\n")


def test_strings_of_the_page_are_good(tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    identity(SERVER_NAME).private_key_and_cert_chain_pem.write_to_path(str(pem))
    strings = re.findall(r"^ *(?:--listen ')?((?:accept|send)-proxy[^\s']*)", PAGE, re.MULTILINE)
    assert len(strings) == 6
    for text in strings:
        parse = serverFromString if text.startswith("accept") else clientFromString
        parse(MemoryReactorClock(), re.sub(r"/etc/ssl/\w+\.pem", str(pem), text))


@pytest.mark.parametrize("names", [ACCEPT_TLS, SEND_TLS])
def test_every_option_of_the_strings_is_documented(names: tuple[str, ...]) -> None:
    assert [name for name in names if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("words", [get_args(HeaderKind), PROFILES])
def test_every_word_is_documented(words: Iterable[str]) -> None:
    assert [word for word in words if word not in PAGE] == []
