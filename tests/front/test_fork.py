"""What is made before a fork, and what after it: configuration and sockets need no reactor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tls.issue import issue
from tests.tls.servers import NAME

FILE = """
[tls.default]
certificates = ["{folder}/mail.pem"]

[frontend.front]
bind = ["{folder}/front.sock"]
protocol = "imap"
tls = "starttls"
capabilities = ["IDLE"]
backend = "dovecot"

[backend.dovecot.server.d1]
address = "{folder}/server.sock"
"""

SCRIPT = """
import os, socket, sys
from mailproxy.config import load
from mailproxy.front.prepare import prepare

file, path = sys.argv[1:]
prepared = prepare(load(file), file)
prepared.bind()
assert "twisted.internet.reactor" not in sys.modules
assert not any("eventpoll" in os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        from mailproxy.transport.reactor import install
        reactor = install()
        from mailproxy.service import ProxyService
        service = ProxyService(prepared, reactor)
        reactor.callWhenRunning(service.startService)
        reactor.callLater(20, os._exit, 1)
        reactor.run(installSignalHandlers=False)
    children.append(child)
for child in children:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        print(client.recv(4096)[:4].decode())
    os.kill(child, 9)
    os.waitpid(child, 0)
"""


def test_processes_that_are_forked_behind_the_bind_serve(tmp_path: Path) -> None:
    (tmp_path / "mail.pem").write_bytes(issue(NAME).pem)
    (tmp_path / "mail.pem").chmod(0o600)
    file = tmp_path / "mailproxy.toml"
    file.write_text(FILE.format(folder=tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file), str(tmp_path / "front.sock")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("* OK\n* OK\n", 0), done.stderr
