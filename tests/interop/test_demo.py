"""The demo as its user sees it: a process that prints commands to try, and what the servers learnt."""

import os
import pty
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from mailproxy.demo.ports import Ports
from tests.interop import peers
from tests.interop.clients import Imap, Lmtp, Pop3, connect_tls
from tests.interop.conftest import short_folder
from tests.interop.ports import is_listening
from tests.interop.process import Process
from tests.interop.waiting import PATIENCE_SECONDS, until

LAST_WORDS = "What the server learns about each client appears here:\n"
COMMAND = (sys.executable, "-m", "mailproxy", "demo")
WELCOME = "You read this through mailproxy"


def environment(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(folder)}


class Printed:
    """What a demo has printed."""

    output = ""

    @property
    def invitation(self) -> str:
        return self.output.partition(LAST_WORDS)[0]

    def printed(self, pattern: str) -> str:
        """What the group of `pattern` is in the invitation."""
        found = re.search(pattern, self.invitation)
        assert found, self.output
        return found[1]

    def commands(self, heading: str) -> list[str]:
        """The commands that are printed below a heading."""
        text = self.printed(rf"  (?:\d\. )?{re.escape(heading)}\n((?:    .*\n)+)")
        return re.split(r"(?<![\\|])\n", re.sub("(?m)^    ", "", text).strip())

    def matched(self, pattern: str) -> str:
        """The whole of what matches a pattern after the invitation, awaited."""

        def find() -> str | None:
            found = re.search(pattern, self.output.partition(LAST_WORDS)[2])
            return found and found[0]

        return until(find, f"{pattern!r}")


class Demo(Printed):
    """A running demo, read from its output alone."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.process = Process([*COMMAND, *options], folder, environment=environment(folder))
        try:
            until(lambda: LAST_WORDS in self.output or not self.process.is_alive, "the invitation")
            self.trusted = self.printed(r"--cacert (\S+)")
            self.client = self.printed(r"--cert (\S+)")
            self.imap = int(self.printed(r"imaps://localhost:(\d+)"))
            self.pop3 = int(self.printed(r"pop3s://\S+@localhost:(\d+)"))
            self.lmtp = int(self.printed(r"LMTP\n(?:.*\n)+?.*-connect localhost:(\d+)"))
        except BaseException:
            self.process.stop()
            raise

    @property
    def output(self) -> str:  # type: ignore[override]  # it grows
        return self.process.stdout + self.process.stderr

    def context(self) -> ssl.SSLContext:
        """A client that trusts the demo's certificate and no other."""
        return ssl.create_default_context(cafile=self.trusted)

    def learnt(self, client: tuple[str, int]) -> dict[str, str]:
        """What a server said of the client at this address and port."""
        address = re.escape(f"{client[0]}:{client[1]}")
        text = self.matched(rf"\nd\d: a.*\n +the socket says .*\n  client .* {address}\n(?:  \S.*\n)*")
        title, _, *rows = text.strip().splitlines()
        return {"title": title, **{row[2:15].strip(): row[41:].strip() for row in rows}}


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def fetch(imap: Imap, number: str) -> bytes:
    """The whole of one message."""
    _, answer = imap.fetch(number, "(RFC822)")
    assert isinstance(answer[0], tuple)
    return bytes(answer[0][1])


def free_base() -> int:
    """A base whose ports are free, below those that the kernel gives to clients; other test runs begin elsewhere."""
    bases = range(3000 + os.getpid() % 100, 25000, 100)
    return next(
        base for base in bases if not any(is_listening(port, host) for host, port in Ports(base=base).sockets())
    )


@contextmanager
def running(*options: str) -> Iterator[Demo]:
    with short_folder() as folder:
        demo = Demo(folder, options)
        try:
            yield demo
        finally:
            status = demo.process.stop()
        assert status == 0, demo.output
        assert "Traceback" not in demo.output


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running() as demo:
        yield demo


def test_imap_client_reads_the_welcome(demo: Demo) -> None:
    connection = connect_tls(demo.imap, demo.context(), server_name="localhost")
    client = connection.getsockname()
    imap = Imap(connection)
    imap.login("alice", "secret")
    assert imap.select("INBOX")[0] == "OK"
    assert imap.search(None, "SUBJECT", "welcome")[1] == [b"1"]
    content = fetch(imap, "1")
    imap.logout()
    assert WELCOME.encode() in content
    learnt = demo.learnt(client)
    assert learnt["title"].endswith(": alice logs in by IMAP")
    assert (learnt["certificate"], learnt["server name"]) == ("none", "localhost")
    assert learnt["encryption"].startswith("TLSv1.3, TLS_")


def test_pop3_client_with_tls_1_2_reads_the_welcome(demo: Demo) -> None:
    context = demo.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = connect_tls(demo.pop3, context, server_name="localhost")
    client = connection.getsockname()
    pop3 = Pop3(connection)
    pop3.user("alice")
    pop3.pass_("secret")
    content = b"\n".join(pop3.retr(1)[1])
    pop3.quit()
    assert WELCOME.encode() in content
    learnt = demo.learnt(client)
    assert learnt["title"].endswith(": alice logs in by POP3")
    assert learnt["encryption"].startswith("TLSv1.2, ECDHE-")


def test_delivered_message_is_in_the_inbox(demo: Demo) -> None:
    connection = connect_tls(demo.lmtp, demo.context(), source="127.0.0.2", server_name="localhost")
    client = connection.getsockname()
    with Lmtp(connection) as lmtp:
        lmtp.sendmail("me@localhost", ["alice@localhost"], b"Subject: delivered\r\n\r\nHello!\r\n")
    assert demo.learnt(client)["title"].endswith(": a message for alice arrives by LMTP")

    imap = Imap(connect_tls(demo.imap, demo.context(), server_name="localhost"))
    imap.login("alice", "secret")
    imap.select("INBOX")
    (found,) = imap.search(None, "SUBJECT", "delivered")[1]
    content = fetch(imap, found.decode())
    imap.logout()
    assert content.startswith(b"Received: from client.test ([127.0.0.2])")


def test_first_command_shows_both_truths(demo: Demo) -> None:
    peers.need("curl")
    (command,) = demo.commands("alice at 127.0.0.77 reads her mail, over TLS and with a certificate")
    done = run(command)
    assert WELCOME in done.stdout, done.stderr
    matched = demo.matched(r"client +127\.0\.0\.1:\d+ +127\.0\.0\.77:\d+\n(?:  \S.*\n)*")
    assert re.search(r"encryption +none, plaintext +TLSv1\.3, ", matched)
    assert re.search(r"certificate +none +alice, verified", matched)


def test_login_past_mailproxy_is_refused(demo: Demo) -> None:
    peers.need("curl")
    heading = "past mailproxy: d1 refuses no header and a forged one; watch this terminal"
    for command in demo.commands(heading):
        done = run(command)
        assert done.returncode != 0
        assert WELCOME not in done.stdout
    demo.matched(r"d1 refuses 127\.0\.0\.1:\d+: only 0 bytes of a PROXY header within 2 s")
    demo.matched(r"d1 refuses 127\.0\.0\.77:\d+: its address is not allowed to connect")


PROTOCOLS = [
    ("IMAP", "curl", WELCOME),
    ("IMAP, STARTTLS", "openssl", "b OK"),
    ("POP3, with TLS 1.2", "curl", WELCOME),
    ("POP3, STARTTLS", "openssl", "+OK"),
    ("LMTP", "openssl", "\n221 "),
    ("LMTP, STARTTLS", "openssl", "\n221 "),
    ("submission", "openssl", "\n250 2.0.0 Delivery in progress\n221 "),
    ("submission, STARTTLS", "openssl", "\n250 2.0.0 Delivery in progress\n221 "),
    ("ManageSieve", "openssl", "\nOK"),
    ("ManageSieve, STARTTLS", "openssl", "\nOK"),
]


@pytest.mark.parametrize(("heading", "program", "printed"), PROTOCOLS)
def test_command_of_each_protocol_works(demo: Demo, heading: str, program: str, printed: str) -> None:
    peers.need(program)
    (command,) = demo.commands(heading)
    done = run(command)
    assert printed.replace("2.0.0 ", "") in done.stdout.replace("2.0.0 ", ""), done.stdout + done.stderr
    assert not re.search(r"(?m)^(NO|-ERR|[45]\d\d) ", done.stdout)


def test_starttls_is_good_at_mailproxy_and_bad_at_the_other(demo: Demo) -> None:
    (good,) = demo.commands("the known attacks on STARTTLS: mailproxy withstands them all")
    (bad,) = demo.commands("and a server that executes what was sent before TLS does not")
    environment = f"PYTHONPATH={Path(__file__).parents[2]} "
    done = run(environment + good)
    assert (done.returncode, "VULNERABLE" in done.stdout) == (0, False), done.stdout + done.stderr
    done = run(environment + bad)
    assert done.returncode == 1, done.stdout + done.stderr
    faults = re.findall(r"(?m)^(\S+): ", done.stdout)
    assert "inject-same-segment" in faults
    assert "half-command" in faults
    assert "literal-executed" not in faults


def test_every_printed_command_has_a_test(demo: Demo) -> None:
    printed = re.findall(r"(?m)^  (?:\d\. )?(\S.*)\n    ", demo.invitation)
    assert len(printed) == len(PROTOCOLS) + 4


def test_sessions_are_logged_to_a_file_of_their_own(demo: Demo) -> None:
    folder = Path(demo.trusted).parent
    imap = Imap(connect_tls(demo.imap, demo.context(), server_name="localhost"))
    imap.logout()
    until(lambda: "frontend=imap-tls" in (folder / "log").read_text(), "the session's line")
    assert "frontend=" not in demo.output


def test_configuration_is_one_that_check_accepts(demo: Demo) -> None:
    path = Path(demo.trusted).parent / "mailproxy.toml"
    subprocess.run([sys.executable, "-m", "mailproxy", "check", "-c", path], check=True, timeout=PATIENCE_SECONDS)


def test_base_of_the_ports_can_be_chosen() -> None:
    base = free_base()
    with running("--port", str(base)) as demo:
        assert demo.imap == base + 993
        assert Path(demo.trusted).parent.name == f"mailproxy-demo-{base}"


def test_taken_port_is_reported(demo: Demo) -> None:
    base = str(demo.imap - 993)
    done = subprocess.run(
        [*COMMAND, "--port", base], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"mailproxy demo: another process listens on 127.0.0.1:{demo.imap}: choose other ports with --port BASE\n"
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_demo_and_removes_its_files(how: signal.Signals) -> None:
    with short_folder() as folder:
        demo = Demo(folder, ["--port", str(free_base())])
        assert Path(demo.trusted).is_file()
        with demo.process:
            os.kill(demo.process.pid, how)
            assert demo.process.wait() == 0, demo.output
        assert list(folder.glob("mailproxy-*")) == []
        assert "Traceback" not in demo.output


def test_dovecots_log_has_the_client() -> None:
    peers.need("curl", *peers.DOVECOT)
    with running("--dovecot", "--port", str(free_base())) as demo:
        (command,) = demo.commands("alice at 127.0.0.77 reads her mail, over TLS and with a certificate")
        done = run(command)
        assert WELCOME in done.stdout, done.stderr
        matched = demo.matched(r"d\d writes into its log\n  imap-login: Info: Login: (?:.*\n)+?.*session=")
        assert "user=<alice>" in matched
        assert "rip=127.0.0.77" in matched
        assert "secured" in matched
        for heading, _, printed in PROTOCOLS:
            (command,) = demo.commands(heading)
            done = run(command)
            assert printed in done.stdout, done.stdout + done.stderr
        family = demo.process.family()
        commands = [Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in family]
        (folder,) = {Path(words[3]).parents[1] for words in commands if words[1:3] == ["-F", "-c"]}
        assert folder.is_dir()
    assert not folder.exists()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "Dovecot's processes to end")


class Terminal(Printed):
    """A demo on a terminal, with a user."""

    def __init__(self, folder: Path, base: int) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(COMMAND[0], [*COMMAND, "--port", str(base)], os.environ | environment(folder))
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):  # the end of a terminal is an error
            while data := os.read(self._terminal, 65536):
                self.output += data.decode(errors="replace").replace("\r\n", "\n")

    def press(self, key: str) -> None:
        os.write(self._terminal, key.encode())

    def wait(self) -> int:
        """The exit status."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)


def test_keys_kill_a_server_and_bring_it_back() -> None:
    peers.need("curl")
    with short_folder() as folder:
        demo = Terminal(folder, free_base())
        until(lambda: LAST_WORDS in demo.output, "the invitation")
        (command,) = demo.commands("alice at 127.0.0.77 reads her mail, over TLS and with a certificate")
        demo.press("1")
        demo.matched("d1 is killed")
        for _ in range(2):
            assert WELCOME in run(command).stdout
        demo.matched(r"d2: alice logs in by IMAP(?:.*\n)+?d2: alice logs in by IMAP")
        demo.matched("mailproxy's checks find d1 down: ")
        demo.press("1")
        demo.matched("d1 runs again(?:.*\n)+?mailproxy's checks find d1 up")
        for _ in range(2):
            assert WELCOME in run(command).stdout
        demo.matched("d1: alice logs in by IMAP")
        demo.press("p")
        demo.matched("Every protocol, with TLS from the first byte, then with STARTTLS:")
        demo.press("q")
        assert demo.wait() == 0
        assert "Traceback" not in demo.output
        assert list(folder.glob("mailproxy-*")) == []
