"""Bad PROXY headers on a frontend that accepts headers: it closes, logs one line, and dials no backend."""

import itertools
import socket
import ssl
import struct
import time
from collections.abc import Mapping

import pytest
from attrs import frozen

from tests.interop import headers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import connect, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, Table, backend, frontend
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.server import reset, until_end
from tests.interop.tlsbytes import client_hello
from tests.interop.waiting import SLACK_SECONDS

STRANGER = "127.0.0.9"

_trusted = itertools.cycle(f"127.0.0.{number}" for number in range(65, 127))


def trusted() -> str:
    """A sender of its own for each test: the log samples the refusals of one address."""
    return next(_trusted)


NETWORK = ["127.0.0.64/26"]
HEADER_SECONDS = 0.4

SOURCE, DESTINATION = ("192.0.2.7", 40000), ("198.51.100.1", 993)
ADDRESSES = headers.tcp4(SOURCE, DESTINATION)
GOOD = headers.v2(headers.PROXY, headers.TCP4, ADDRESSES)
GOOD_V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 993\r\n"


def with_length(header: bytes, length: int) -> bytes:
    return header[:14] + struct.pack("!H", length) + header[16:]


MALFORMED: Mapping[str, bytes] = {
    "a mail command": b"EHLO client.test\r\nQUIT\r\n",
    "a signature with one bit flipped": bytes([GOOD[0] ^ 1]) + GOOD[1:],
    "version 3": headers.v2(0x31, headers.TCP4, ADDRESSES),
    "command 2": headers.v2(0x22, headers.TCP4, ADDRESSES),
    "family 4": headers.v2(headers.PROXY, 0x41, ADDRESSES),
    "transport 3": headers.v2(headers.PROXY, 0x13, ADDRESSES),
    "an address block that is cut short": headers.v2(headers.PROXY, headers.TCP4, ADDRESSES[:8]),
    "a TLV longer than the header": headers.v2(headers.PROXY, headers.TCP4, ADDRESSES + b"\x02\x00\x44ab"),
    "a TLV without a length": headers.v2(headers.PROXY, headers.TCP4, ADDRESSES + b"\x04"),
    "a wrong checksum": headers.v2(headers.PROXY, headers.TCP4, ADDRESSES, (headers.CRC32C, bytes(4))),
    "64 KiB of TLVs": headers.v2(headers.PROXY, headers.TCP4, ADDRESSES, (0xE0, bytes(65000))),
    "a claim of 64 KiB": with_length(GOOD, 0xFFFF),
    "v1 without an end": b"PROXY TCP4 " + b"1" * 120,
    "v1 with a lone line feed": GOOD_V1.replace(b"\r\n", b"\n") + b"\r\n",
    "v1 with a leading zero": GOOD_V1.replace(b"192.0.2.7", b"192.0.2.07"),
    "v1 with an octet of 256": GOOD_V1.replace(b"192.0.2.7", b"192.0.2.256"),
    "v1 with port 65536": GOOD_V1.replace(b"40000", b"65536"),
    "v1 with two spaces": GOOD_V1.replace(b" 993", b"  993"),
    "v1 over UDP": GOOD_V1.replace(b"TCP4", b"UDP4"),
}
INCOMPLETE: Mapping[str, bytes] = {
    "nothing": b"",
    "half a signature": GOOD[:6],
    "a fixed part only": GOOD[:16],
    "half an address": GOOD[:20],
    "half a v1 line": GOOD_V1[:20],
}


@frozen
class Accepting:
    """A front that accepts headers, with its frontends' ports by name."""

    front: Front
    recorder: Recorder
    ports: Mapping[str, int]

    def refuses(self, connection: socket.socket, frontend: str = "expecting") -> str:
        """The log line about a connection, after checking that it ended in silence and cost no backend connection."""
        client = connection.getsockname()
        before = len(self.recorder.connections)
        assert until_end(connection) == b""
        connection.close()
        event = self.front.session(client)
        assert event["frontend"] == frontend
        assert len(self.recorder.connections) == before
        return str(event)


@pytest.fixture(scope="module")
def accepting(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Accepting:
    recorder = module_recorder(echo())
    policies: Mapping[str, Table] = {
        "expecting": {"accept_proxy": NETWORK},
        "strict": {"accept_proxy": NETWORK, "accept_proxy_only": True},
        "optional": {"accept_proxy_optional": NETWORK},
        "plain": {"accept_proxy": NETWORK, "tls": "none"},
        "impatient": {"accept_proxy": NETWORK},
    }
    ports = {name: free_port() for name in policies}
    timeouts = {"impatient": f"{HEADER_SECONDS * 1000:.0f}ms"}
    front = module_front(
        {
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {
                name: frontend(ports[name], "recorder", timeout={"proxy-header": timeouts.get(name, "60s")}, **policy)
                for name, policy in policies.items()
            },
            "backend": {"recorder": backend(recorder.port)},
        }
    )
    return Accepting(front, recorder, ports)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_header_is_refused(accepting: Accepting, name: str) -> None:
    with connect(accepting.ports["expecting"], trusted()) as connection:
        connection.sendall(MALFORMED[name])
        accepting.refuses(connection)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_header_cut_off_by_the_end_is_refused(accepting: Accepting, name: str) -> None:
    with connect(accepting.ports["expecting"], trusted()) as connection:
        connection.sendall(INCOMPLETE[name])
        connection.shutdown(socket.SHUT_WR)
        accepting.refuses(connection)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_header_cut_off_by_a_reset_is_refused(accepting: Accepting, name: str) -> None:
    connection = connect(accepting.ports["expecting"], trusted())
    client = connection.getsockname()
    connection.sendall(INCOMPLETE[name])
    reset(connection)
    accepting.front.session(client)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_header_that_does_not_come_in_time_is_refused(accepting: Accepting, name: str) -> None:
    began = time.monotonic()
    with connect(accepting.ports["impatient"], trusted()) as connection:
        connection.sendall(INCOMPLETE[name])
        assert until_end(connection) == b""
        assert HEADER_SECONDS * 0.9 < time.monotonic() - began < HEADER_SECONDS + SLACK_SECONDS
        assert f"within {HEADER_SECONDS:g} s" in accepting.refuses(connection, "impatient")


def test_bytes_that_trickle_in_do_not_move_the_deadline(accepting: Accepting) -> None:
    with connect(accepting.ports["impatient"], trusted()) as connection:
        client = connection.getsockname()
        connection.settimeout(HEADER_SECONDS / 5)
        for byte in GOOD:
            try:
                connection.sendall(bytes([byte]))
                ended = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            assert ended
            break
        else:
            pytest.fail("the whole header was taken")
    assert f"within {HEADER_SECONDS:g} s" in accepting.front.session(client)["reason"]


def test_log_line_of_a_malformed_header_carries_the_numbers(accepting: Accepting) -> None:
    with connect(accepting.ports["expecting"], trusted()) as connection:
        connection.sendall(MALFORMED["a TLV longer than the header"])
        line = accepting.refuses(connection)
    assert "68" in line  # what the TLV says
    assert "2" in line  # what remains


def test_tls_without_the_expected_header_is_refused(accepting: Accepting, pki: Certificates) -> None:
    with connect(accepting.ports["expecting"], trusted()) as connection:
        connection.sendall(client_hello(pki.client()))
        accepting.refuses(connection)


def test_header_from_an_untrusted_address_is_refused(accepting: Accepting, pki: Certificates) -> None:
    with connect(accepting.ports["expecting"], STRANGER) as connection:
        connection.sendall(GOOD + client_hello(pki.client()))
        client = connection.getsockname()
        until_end(connection)  # a TLS alert is allowed: for strangers this is a TLS port
    accepting.front.session(client)
    assert not any(headers.parse(seen.header).source == SOURCE for seen in accepting.recorder.connections)


def test_stranger_is_a_direct_client(accepting: Accepting, pki: Certificates) -> None:
    with secure(connect(accepting.ports["expecting"], STRANGER), pki.client()) as connection:
        assert read_line(connection) == GREETING
        assert headers.parse(accepting.recorder.connections[-1].header).source == connection.getsockname()


def test_stranger_is_refused_where_only_the_network_is_accepted(accepting: Accepting, pki: Certificates) -> None:
    with connect(accepting.ports["strict"], STRANGER) as connection:
        accepting.refuses(connection, "strict")


@pytest.mark.parametrize("header", [GOOD, GOOD_V1], ids=["v2", "v1"])
@pytest.mark.parametrize("name", ["expecting", "strict", "optional"])
def test_good_header_before_tls_is_believed(accepting: Accepting, pki: Certificates, name: str, header: bytes) -> None:
    raw = connect(accepting.ports[name], trusted())
    raw.sendall(header)
    with secure(raw, pki.client()) as connection:
        assert read_line(connection) == GREETING
        sent = headers.parse(accepting.recorder.connections[-1].header)
        assert (sent.source, sent.destination) == (SOURCE, DESTINATION)


@pytest.mark.parametrize("header", [GOOD, GOOD_V1], ids=["v2", "v1"])
def test_header_and_clienthello_in_one_segment_are_distinguished(
    accepting: Accepting, pki: Certificates, header: bytes
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = pki.client().wrap_bio(incoming, outgoing, server_hostname=SERVER_NAME)
    outgoing.write(header)
    with connect(accepting.ports["expecting"], trusted()) as connection:
        while True:
            try:
                assert tls.read(len(GREETING)) == GREETING
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
            else:
                break


@pytest.mark.parametrize("header", [GOOD, GOOD_V1], ids=["v2", "v1"])
def test_header_in_single_bytes_is_understood(accepting: Accepting, header: bytes) -> None:
    with connect(accepting.ports["plain"], trusted()) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header:
            connection.sendall(bytes([byte]))
        assert read_line(connection) == GREETING
        assert headers.parse(accepting.recorder.connections[-1].header).source == SOURCE


def test_local_header_is_passed_on_as_such(accepting: Accepting) -> None:
    with connect(accepting.ports["plain"], trusted()) as connection:
        connection.sendall(headers.v2(headers.LOCAL, headers.TCP4, ADDRESSES, (headers.UNIQUE_ID, b"check")))
        assert read_line(connection) == GREETING
        header = headers.parse(accepting.recorder.connections[-1].header)
        assert (header.command, header.source) == (headers.LOCAL, None)
        assert header.get(headers.UNIQUE_ID) is None


def test_client_without_a_header_is_served_where_it_is_optional(accepting: Accepting, pki: Certificates) -> None:
    with secure(connect(accepting.ports["optional"], trusted()), pki.client()) as connection:
        assert read_line(connection) == GREETING
        assert headers.parse(accepting.recorder.connections[-1].header).source == connection.getsockname()
