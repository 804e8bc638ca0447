"""twisted.web behind a TCP balancer: the header in plaintext, then the client's TLS, with HAProxy and curl."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.haproxy import HAProxy, listen
from tests.interop.peers import path
from tests.interop.ports import free_port
from tests.interop.process import Process
from tests.interop.waiting import until


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


@pytest.fixture
def port(tmp_path: Path, log: Path, pki: Certificates) -> Iterator[int]:
    """`twist web` on a port that takes headers from this machine's 127.0.0.1 alone, and serves one page."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("hello\n")
    port = free_port()
    endpoint = (
        rf"accept-proxy-tls:tcp\:{port}\:interface=127.0.0.1:certKey={pki.server_ec}"
        ":trusted=127.0.0.1:others=refused"
    )
    twist = Path(sys.executable).with_name("twist")
    process = Process(
        [twist, f"--log-file={log}", "--log-format=text", "web", "--listen", endpoint, "--path", site], tmp_path
    )
    try:
        process.until_listening([port])
        yield port
    finally:
        process.stop()


def curl(pki: Certificates, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (str(path("curl")), "-sS", "--max-time", "60", "--cacert", str(pki.authority), *arguments)
    return subprocess.run([*command, f"https://127.0.0.1:{port}/index.html"], capture_output=True, text=True)


def clients(log: Path) -> list[str]:
    """The addresses in the access log."""
    return re.findall(r'"([\d.]+)" - - .*"GET /index.html', log.read_text())


def test_page_comes_through_a_balancer_and_the_log_has_the_client(
    tmp_path: Path, log: Path, port: int, pki: Certificates
) -> None:
    front = free_port()
    with closing(HAProxy(tmp_path, [front], listen(front, port, server="send-proxy-v2"))):
        page = curl(pki, front, "--interface", "127.0.0.77")
    assert page.stdout == "hello\n", page.stderr
    until(lambda: clients(log) == ["127.0.0.77"], "the line of the client")


def test_header_that_curl_writes_is_taken(log: Path, port: int, pki: Certificates) -> None:
    assert curl(pki, port, "--haproxy-protocol").stdout == "hello\n"
    until(lambda: clients(log) == ["127.0.0.1"], "the line of the client")


def test_client_without_a_header_is_reset(log: Path, port: int, pki: Certificates) -> None:
    assert "reset by peer" in curl(pki, port).stderr
    reason = "byte 0 is 0x16, no header of version 1 or 2 begins with it"
    until(lambda: reason in log.read_text(), "the line of the client")
