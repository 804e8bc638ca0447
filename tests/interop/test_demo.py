"""The demo as its user sees it: a process that prints commands to try, and what the servers learnt."""

import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import peers
from .clients import Imap, Lmtp, Pop3, connect_tls
from .conftest import short_folder
from .process import Process
from .waiting import until

LAST_WORDS = "learnt from the PROXY header:\n"


class Demo:
    """A running demo, read from its output alone."""

    def __init__(self, folder: Path) -> None:
        self.process = Process(
            [sys.executable, "-m", "mailproxy", "demo"],
            folder,
            environment={"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(folder)},
        )
        try:
            until(lambda: LAST_WORDS in self.output or not self.process.is_alive, "the invitation", 15.0)
            self.invitation, _, _ = self.output.partition(LAST_WORDS)
            self.trusted = self.printed(r"--cacert (\S+)")
            self.client = self.printed(r"--cert (\S+)")
            self.imap = int(self.printed(r"imaps://localhost:(\d+)"))
            self.pop3 = int(self.printed(r"pop3s://localhost:(\d+)"))
            self.lmtp = int(self.printed(r"\| *\n.*-connect localhost:(\d+)"))
        except BaseException:
            self.process.stop()
            raise

    @property
    def output(self) -> str:
        return self.process.stdout + self.process.stderr

    def printed(self, pattern: str) -> str:
        """What the group of `pattern` is in the invitation."""
        found = re.search(pattern, self.invitation)
        assert found, self.output
        return found[1]

    def context(self) -> ssl.SSLContext:
        """A client that trusts the demo's certificate and no other."""
        return ssl.create_default_context(cafile=self.trusted)

    def command(self, heading: str) -> str:
        """The command that is printed below a heading."""
        return self.printed(rf"  {re.escape(heading)}\n((?:    .*\n)+)")

    def learnt(self, client: tuple[str, int]) -> dict[str, str]:
        """What a server said of the client at this address and port."""
        address = f"{client[0]}:{client[1]}"
        pattern = rf"(\w+) server: a client\n  client +{re.escape(address)}, .*\n((?:  \S.*\n)*)"
        found = until(lambda: re.search(pattern, self.output), f"a report of {address} in\n{self.output}")
        facts = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in found[2].splitlines())
        return {"server": found[1], **{fact[0]: fact[1] for fact in facts}}


def fetch(imap: Imap, number: str) -> bytes:
    """The whole of one message."""
    _, answer = imap.fetch(number, "(RFC822)")
    assert isinstance(answer[0], tuple)
    return bytes(answer[0][1])


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with short_folder() as folder:
        demo = Demo(folder)
        yield demo
        assert demo.process.stop() == 0, demo.output
        assert "Traceback" not in demo.output


def test_imap_client_reads_the_welcome(demo: Demo) -> None:
    connection = connect_tls(demo.imap, demo.context(), server_name="localhost")
    client = connection.getsockname()
    imap = Imap(connection)
    imap.login("demo", "demo")
    assert imap.select("INBOX")[0] == "OK"
    assert imap.search(None, "SUBJECT", "welcome")[1] == [b"1"]
    content = fetch(imap, "1")
    imap.logout()
    assert b"You read this through mailproxy" in content
    learnt = demo.learnt(client)
    assert (learnt["server"], learnt["certificate"], learnt["server name"]) == ("imap", "none", "localhost")
    assert learnt["TLS"].startswith("TLSv1.3, TLS_")


def test_pop3_client_with_tls_1_2_reads_the_welcome(demo: Demo) -> None:
    context = demo.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = connect_tls(demo.pop3, context, server_name="localhost")
    client = connection.getsockname()
    pop3 = Pop3(connection)
    pop3.user("demo")
    pop3.pass_("demo")
    content = b"\n".join(pop3.retr(1)[1])
    pop3.quit()
    assert b"You read this through mailproxy" in content
    learnt = demo.learnt(client)
    assert learnt["server"] == "pop3"
    assert learnt["TLS"].startswith("TLSv1.2, ECDHE-")


def test_client_certificates_name_is_learnt(demo: Demo) -> None:
    context = demo.context()
    context.load_cert_chain(demo.client)
    connection = connect_tls(demo.imap, context, server_name="localhost")
    client = connection.getsockname()
    Imap(connection).logout()
    assert demo.learnt(client)["certificate"] == "demo client"


def test_delivered_message_is_in_the_inbox(demo: Demo) -> None:
    connection = connect_tls(demo.lmtp, demo.context(), source="127.0.0.2", server_name="localhost")
    client = connection.getsockname()
    with Lmtp(connection) as lmtp:
        lmtp.sendmail("me@localhost", ["demo@localhost"], b"Subject: delivered\r\n\r\nHello!\r\n")
    assert demo.learnt(client)["server"] == "lmtp"

    imap = Imap(connect_tls(demo.imap, demo.context(), server_name="localhost"))
    imap.login("demo", "demo")
    imap.select("INBOX")
    (found,) = imap.search(None, "SUBJECT", "delivered")[1]
    content = fetch(imap, found.decode())
    imap.logout()
    assert content.startswith(b"Received: from client.test ([127.0.0.2])")


@pytest.mark.parametrize(
    ("heading", "program", "printed"),
    [
        ("read the message by IMAP", "curl", "You read this through mailproxy"),
        ("the same with a client certificate, whose name the server learns", "curl", "You read this through mailproxy"),
        ("read it by POP3, with TLS 1.2", "curl", "You read this through mailproxy"),
        ("deliver a message by LMTP", "openssl", "250 Delivery in progress"),
    ],
)
def test_printed_command_works(demo: Demo, heading: str, program: str, printed: str) -> None:
    peers.need(program)
    done = subprocess.run(
        ["bash", "-c", demo.command(heading)], capture_output=True, text=True, timeout=20, check=False
    )
    assert printed in done.stdout, done.stdout + done.stderr


def test_configuration_is_one_that_check_accepts(demo: Demo) -> None:
    path = demo.printed(r"mailproxy runs with (\S+)")
    subprocess.run([sys.executable, "-m", "mailproxy", "check", "-c", path], check=True, timeout=20)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_and_its_files(how: signal.Signals) -> None:
    with short_folder() as folder:
        demo = Demo(folder)
        assert Path(demo.trusted).is_file()
        with demo.process:
            os.kill(demo.process.pid, how)
            assert demo.process.wait() == 0, demo.output
        assert list(folder.glob("mailproxy-*")) == []
        assert "Traceback" not in demo.output
