"""No change of the configuration, or of a file that it names, leaves anything to the garbage collector."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from mailproxy.config import load
from mailproxy.front.prepare import Prepared, prepare
from tests.garbage import garbage, only_new_garbage
from tests.test_reload import Front
from tests.tls.issue import issue, revocation_list
from tests.tls.servers import NAME

FILE = """
watch = "60s"

[tls.default]
certificates = ["{folder}/mail.pem"]
client-certificates = "optional"
client-ca = "{folder}/ca.pem"
client-crl = "{folder}/ca.crl"

[frontend.front]
bind = ["{folder}/front.sock"]
protocol = "imap"
tls = "implicit"
backend = "dovecot"

[backend.dovecot]
send-proxy = "none"
check = {{ type = "none" }}

[backend.dovecot.server.d1]
address = "127.0.0.1:{port}"
"""

POP3 = """
[frontend.pop3]
bind = ["{folder}/pop3.sock"]
protocol = "pop3"
tls = "implicit"
backend = "dovecot"
"""

CLIENTS = issue(common_name="clients", authority=True)

# More than the seconds for which files that have just changed are not read.
LONG_AGO = 3600


class TlsFront(Front):
    """A service with TLS, by a file."""

    def prepare(self, folder: Path, **settings: Any) -> Prepared:
        self.folder = folder
        self.file = folder / "mailproxy.toml"
        self.renew()
        self.put("ca.pem", CLIENTS.certificate_pem)
        self.revoke()
        self.write(FILE)
        return prepare(load(self.file), str(self.file))

    def put(self, name: str, content: bytes) -> None:
        """Replace a file."""
        new = self.folder / f"{name}.new"
        new.write_bytes(content)
        new.chmod(0o600)
        then = new.stat().st_mtime - LONG_AGO
        os.utime(new, (then, then))
        new.rename(self.folder / name)

    def renew(self) -> None:
        """Replace the certificate's file."""
        self.put("mail.pem", issue(NAME).pem)

    def revoke(self) -> None:
        """Replace the revocation list's file."""
        self.put("ca.crl", revocation_list(CLIENTS, issue(common_name="alice", issuer=CLIENTS)))

    def session(self) -> None:
        """Serve a client from its handshake to its end."""
        client, server = self.relay(tls=True)
        client.break_off()
        server.socket.close()
        client.socket.close()
        self.peers.clear()
        self.until(lambda: not list(self.service.sessions))
        self.advance(1)

    def look(self) -> None:
        """Check the certificates' files."""
        done: list[object] = []
        self.service.renewals.check().addBoth(done.append)
        while not done:
            self.advance(0.1)

    def change(self, old: str, new: str) -> None:
        """Reload with another setting, and again with the previous one."""
        text = FILE.replace(old, new)
        assert self.reload(text).differences
        self.advance(1)
        self.reload(FILE)


def renewal(front: TlsFront) -> None:
    front.renew()
    front.look()
    assert front.logged("certificate")


def renewal_by_reload(front: TlsFront) -> None:
    front.renew()
    assert "renewed" in str(front.reload().differences)


def unchanged(front: TlsFront) -> None:
    front.reload()


def other_tls_settings(front: TlsFront) -> None:
    front.change("[tls.default]\n", '[tls.default]\nmin-version = "1.3"\n')


def no_longer_strict(front: TlsFront) -> None:
    """The ticket keys stay."""
    front.change("[tls.default]\n", "[tls.default]\nstrict-sni = true\n")


def other_weight(front: TlsFront) -> None:
    front.change(':{port}"', ':{port}"\nweight = 50')


def tls_to_the_server(front: TlsFront) -> None:
    front.change(':{port}"', ':{port}"\ntls = {{ verify = "none" }}')


def checks(front: TlsFront) -> None:
    front.change('type = "none"', 'type = "tcp"')
    with suppress(BlockingIOError):
        front.server.accept()[0].close()


def other_server(front: TlsFront) -> None:
    front.change("server.d1", "server.d2")


def frontend_that_comes_and_goes(front: TlsFront) -> None:
    front.reload(FILE + POP3)
    front.reload(FILE)


def session_of_an_earlier_generation(front: TlsFront) -> None:
    client, server = front.relay(tls=True)
    front.reload(FILE.replace("[tls.default]\n", '[tls.default]\nmin-version = "1.3"\n'))
    assert len(front.service.generation.generations) == 2
    client.break_off()
    server.socket.close()
    front.peers.clear()
    front.until(lambda: len(front.service.generation.generations) == 1)
    front.advance(1)


def refused(front: TlsFront) -> None:
    done: list[bool] = []
    front.write(FILE.replace("[tls.default]\n", '[tls.default]\nciphers = "nonsense"\n'))
    # To raise its error would be a cycle of the test.
    front.service.reload().addBoth(lambda result: done.append(isinstance(result, Failure)))
    front.until(lambda: done)
    assert done == [True]
    front.reload(FILE)


def unusable_certificate(front: TlsFront) -> None:
    front.put("mail.pem", b"nonsense")
    front.look()
    front.reload()
    front.renew()
    front.look()


def unusable_revocation_list(front: TlsFront) -> None:
    front.put("ca.crl", b"nonsense")
    front.advance(61)
    front.until(lambda: front.logged("trust-refused"))


def revocation(front: TlsFront) -> None:
    front.revoke()
    front.advance(61)
    front.until(lambda: front.logged("trust"))


def daily_ticket_keys(front: TlsFront) -> None:
    assert front.process_state.tls.change_keys()


CHANGES = [
    renewal,
    renewal_by_reload,
    unchanged,
    other_tls_settings,
    no_longer_strict,
    other_weight,
    tls_to_the_server,
    checks,
    other_server,
    frontend_that_comes_and_goes,
    session_of_an_earlier_generation,
    refused,
    unusable_certificate,
    unusable_revocation_list,
    revocation,
    daily_ticket_keys,
]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[TlsFront]:
    with only_new_garbage(), ExitStack() as stack:
        events: Any = stack.enter_context(capturedLogs())
        made = TlsFront(tmp_path, events)
        stack.callback(made.close)
        made.start()
        yield made
        assert [event["log_failure"] for event in events if "log_failure" in event] == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_change_leaves_nothing_to_the_garbage_collector(front: TlsFront, change: Callable[[TlsFront], None]) -> None:
    front.session()
    garbage()
    change(front)
    front.session()
    front.events.clear()
    assert garbage() == []
