"""The documentation's examples, run as their users run them."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .network import SERVER_NAME, authority, identity

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


@contextmanager
def proxied(front: str) -> Iterator[int]:
    """Run both examples, one behind the other; gives the port for clients."""
    with ExitStack() as stack:
        port = stack.enter_context(running("accept_proxy.py", "0"))
        yield stack.enter_context(running("send_proxy.py", front, rf"send-proxy-v2-ssl:tcp\:127.0.0.1\:{port}"))


def test_accept_proxy_greets_the_client_of_the_header() -> None:
    with (
        running("accept_proxy.py", "0") as port,
        socket.create_connection(("127.0.0.1", port), DEADLINE) as connection,
    ):
        connection.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n")
        assert connection.makefile("rb").read() == b"* OK 192.0.2.1:40000, no TLS\r\n"


def test_send_proxy_tells_who_the_client_is() -> None:
    with (
        proxied("tcp:0:interface=127.0.0.1") as port,
        socket.create_connection(("127.0.0.1", port), DEADLINE) as connection,
    ):
        own = connection.getsockname()[1]
        assert connection.makefile("rb").read() == f"* OK 127.0.0.1:{own}, no TLS\r\n".encode()


def test_send_proxy_tells_of_the_clients_tls(tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    identity(SERVER_NAME).private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context(cadata=authority().cert_pem.bytes().decode())
    with (
        proxied(f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1") as port,
        socket.create_connection(("127.0.0.1", port), DEADLINE) as connection,
        context.wrap_socket(connection, server_hostname=SERVER_NAME) as secured,
    ):
        own = secured.getsockname()[1]
        assert secured.makefile("rb").read() == f"* OK 127.0.0.1:{own}, TLSv1.3\r\n".encode()


def test_every_example_is_documented() -> None:
    shown = set(re.findall(r"examples/(\w+\.py)", (DOCUMENTATION / "endpoints.md").read_text()))
    assert shown == {path.name for path in (DOCUMENTATION / "examples").glob("*.py")}
