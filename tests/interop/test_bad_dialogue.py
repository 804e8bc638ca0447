"""What must not get through before TLS: the protocol's own answer or a close, no bug of ours, and no backend."""

import contextlib
import itertools
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import IPv4Address

import pytest
from attrs import evolve, frozen

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Event, Front, frontend, single
from tests.interop.front import backend as to_server
from tests.interop.ports import free_port
from tests.interop.recorder import Recorder, echo
from tests.interop.server import reset, until_end
from tests.interop.tlsbytes import client_hello, endless_client_hello, garbage_record

MEBIBYTE = 1 << 20
SECONDS = 2.0  # what clients do in time takes far less, and a busy machine needs some of it
_sources = map(IPv4Address("127.1.0.0").__add__, itertools.count(1))
PARTED, MISBEHAVED, TOO_SLOW, GONE = "--", "PR", "cR", "CR"


@frozen
class Words:
    """What is said in one protocol, without line ends, and what the answers begin with."""

    protocol: str
    goodbye: tuple[bytes, bytes]
    starttls: tuple[bytes, bytes]
    starttls_with_argument: tuple[bytes, bytes]
    harmless: tuple[bytes, bytes]
    unknown: tuple[bytes, bytes]
    logins: tuple[tuple[bytes, bytes], ...]
    closing: bytes
    """The last line to whom is thrown out."""
    late: bytes
    capability: str
    """Something to announce: it keeps mailproxy from asking the backend."""


_TLS_REQUIRED = b"530 5.7.0 "
_SMTP = Words(
    protocol="smtp",
    goodbye=(b"QUIT", b"221 2.0.0 "),
    starttls=(b"STARTTLS", b"220 2.0.0 "),
    starttls_with_argument=(b"STARTTLS now", b"501 5.5.4 "),
    harmless=(b"NOOP", b"250 2.0.0 "),
    unknown=(b"XYZZY", b"500 5.5.1 "),
    logins=(
        (b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", _TLS_REQUIRED),
        (b"AUTH PLAIN", _TLS_REQUIRED),
        (b"MAIL FROM:<a@example.org>", _TLS_REQUIRED),
        (b"DATA", _TLS_REQUIRED),
    ),
    closing=b"421 4.7.0 ",
    late=b"421 4.4.2 ",
    capability="8BITMIME",
)
_PRIVACY_REQUIRED = b"a NO [PRIVACYREQUIRED] "
_ENCRYPT_NEEDED = b"NO (ENCRYPT-NEEDED) "
WORDS = [  # submission is SMTP in every word
    Words(
        protocol="imap",
        goodbye=(b"z LOGOUT", b"* BYE "),
        starttls=(b"a STARTTLS", b"a OK "),
        starttls_with_argument=(b"a STARTTLS now", b"a BAD "),
        harmless=(b"a NOOP", b"a OK "),
        unknown=(b"a XYZZY", b"a BAD "),
        logins=(
            (b"a LOGIN alice secret", _PRIVACY_REQUIRED),
            (b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", _PRIVACY_REQUIRED),
            (b"a AUTHENTICATE PLAIN", _PRIVACY_REQUIRED),
            (b"a SELECT INBOX", b"a BAD "),
        ),
        closing=b"* BYE ",
        late=b"* BYE ",
        capability="IMAP4rev1",
    ),
    Words(
        protocol="pop3",
        goodbye=(b"QUIT", b"+OK "),
        starttls=(b"STLS", b"+OK "),
        starttls_with_argument=(b"STLS now", b"-ERR "),
        harmless=(b"CAPA", b"+OK "),
        unknown=(b"XYZZY", b"-ERR "),
        logins=(
            (b"USER alice", b"-ERR "),
            (b"PASS secret", b"-ERR "),
            (b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"-ERR "),
            (b"APOP alice c4c9334bac560ecc979e58001b3e22fb", b"-ERR "),
        ),
        closing=b"-ERR ",
        late=b"",
        capability="UIDL",
    ),
    _SMTP,
    evolve(_SMTP, protocol="lmtp"),
    Words(
        protocol="managesieve",
        goodbye=(b"LOGOUT", b"OK "),
        starttls=(b"STARTTLS", b"OK "),
        starttls_with_argument=(b'STARTTLS "now"', b"NO "),
        harmless=(b"NOOP", b"OK "),
        unknown=(b"XYZZY", b"NO "),
        logins=(
            (b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="', _ENCRYPT_NEEDED),
            (b'AUTHENTICATE "PLAIN"', _ENCRYPT_NEEDED),
            (b'HAVESPACE "a" 1', b"NO "),
        ),
        closing=b"BYE ",
        late=b"BYE ",
        capability='"VERSION" "1.0"',
    ),
]
PROTOCOLS = tuple(words.protocol for words in WORDS)


@frozen
class Site:
    """A front with a frontend for each protocol, and a backend that no client may reach."""

    front: Front
    backend: Recorder
    ports: Mapping[str, int]

    @contextlib.contextmanager
    def client(self, words: Words) -> Iterator[socket.socket]:
        """A client after the greeting; at the end, no backend must have received a connection for it."""
        with self.connect(words) as connection:
            read_greeting(connection)
            yield connection
        assert self.backend.connections == []

    def connect(self, words: Words) -> socket.socket:
        """A connection from its own address, which identifies its log line, because ports are reused."""
        return connect(self.ports[words.protocol], str(next(_sources)))

    def end(self, connection: socket.socket) -> tuple[bytes, Event]:
        """What the front still says until it closes, and its log line."""
        client = connection.getsockname()
        answer = until_end(connection)
        connection.close()
        return answer, self.front.session(client)


Send = Callable[[socket.socket, Words], object]


@frozen
class Parting:
    """The end of a connection, for one protocol: the last line that the client gets, and the log line."""

    words: Words
    answer: bytes
    session: Event

    def is_for(self, termination: str, reason: str = "") -> bool:
        """Whether the log says so."""
        return self.session["termination"] == termination and reason in self.session.get("reason", "")

    def is_refused(self, reason: str) -> bool:
        """Whether it gets one line, the protocol's own, and the log says why."""
        is_one_line = self.answer.count(b"\r\n") == 1
        return self.answer.startswith(self.words.closing) and is_one_line and self.is_for(MISBEHAVED, reason)


def partings(site: Site, send: Send, protocols: Collection[str] = PROTOCOLS) -> Iterator[Parting]:
    """For each protocol, in parallel: wait for the greeting, send bytes, and check the end of the connection."""
    with contextlib.ExitStack() as stack:
        clients = [(words, stack.enter_context(site.client(words))) for words in WORDS if words.protocol in protocols]
        for words, connection in clients:
            send(connection, words)
        ends = [Parting(words, *site.end(connection)) for words, connection in clients]
    yield from ends


def start_site(start: StartFront, backend: Recorder, pki: Certificates, **timeout: str) -> Site:
    ports = {words.protocol: free_port() for words in WORDS}
    frontends = {
        words.protocol: frontend(
            ports[words.protocol], "recorder", protocol=words.protocol, tls="starttls",
            capabilities=[words.capability], timeout=timeout,
        )
        for words in WORDS
    }  # fmt: skip
    configuration = {
        "tls": {"default": {"certificates": [str(pki.server_ec)]}},
        "frontend": frontends,
        "backend": {"recorder": to_server(backend.port)},
    }
    return Site(start(configuration), backend, ports)


@pytest.fixture(scope="module")
def site(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Site:
    return start_site(module_front, module_recorder(echo()), pki)


@pytest.fixture(scope="module")
def impatient_site(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Site:
    """It waits for `SECONDS` only."""
    times = dict.fromkeys(("login", "handshake", "close"), f"{SECONDS:.0f}s")
    return start_site(module_front, module_recorder(echo()), pki, **times)


def read_greeting(connection: socket.socket) -> None:
    """One line, or all of a ManageSieve listing."""
    while read_line(connection).startswith(b'"'):
        pass


def line(*commands: bytes) -> bytes:
    """Commands with their line ends."""
    return b"".join(command + b"\r\n" for command in commands)


def start_tls(connection: socket.socket, words: Words) -> None:
    """As far as the front's agreement."""
    command, agreement = words.starttls
    connection.sendall(line(command))
    assert read_line(connection).startswith(agreement)


# Lines that nobody can read.


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        pytest.param(b"%s\n", "outside of a CRLF", id="bare LF"),
        pytest.param(b"%s\r\r\n", "outside of a CRLF", id="bare CR"),
        pytest.param(b"%s\0\r\n", "a NUL", id="NUL at the end"),
        pytest.param(b"\0%s\r\n", "a NUL", id="NUL at the beginning"),
    ],
)
def test_line_that_servers_read_differently_is_refused(site: Site, spoilt: bytes, reason: str) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        connection.sendall(spoilt % words.starttls[0] + line(words.harmless[0]))

    for parting in partings(site, send):
        assert parting.is_refused(reason), parting


def test_line_of_a_mebibyte_is_refused(site: Site) -> None:
    for parting in partings(site, lambda connection, _: connection.sendall(b"x" * MEBIBYTE + b"\r\n")):
        assert parting.is_refused("octets"), parting


def test_mebibyte_of_commands_is_refused(site: Site) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        connection.sendall(line(words.harmless[0]) * (MEBIBYTE // len(line(words.harmless[0]))))

    for parting in partings(site, send):
        assert parting.answer.splitlines()[-1].startswith(parting.words.closing), parting
        assert parting.is_for(MISBEHAVED, "commands"), parting


@pytest.mark.parametrize(
    ("protocol", "sent", "answer"),
    [
        ("imap", b"a LOGIN {5}", b"* BYE "),
        ("imap", b"a LOGIN {5+}\r\nalice {6+}\r\nsecret", b"* BYE "),
        ("imap", b"a XYZZY {16}\r\na LOGIN alice se", b"* BYE "),
        ("imap", b"{5+}", b"* BYE "),
        ("managesieve", b'AUTHENTICATE "PLAIN" {20+}\r\nAGFsaWNlAHNlY3JldA==', b"BYE (ENCRYPT-NEEDED) "),
        ("managesieve", b'PUTSCRIPT "a" {6+}\r\nLOGOUT', b"BYE (ENCRYPT-NEEDED) "),
        ("smtp", b"BDAT 6 LAST\r\nQUIT", b"421 4.7.0 "),
        ("lmtp", b"BDAT 6 LAST\r\nQUIT", b"421 4.7.0 "),
    ],
)
def test_octets_that_are_no_commands_are_not_taken_for_some(
    site: Site, protocol: str, sent: bytes, answer: bytes
) -> None:
    (parting,) = partings(site, lambda connection, words: connection.sendall(line(sent, words.harmless[0])), [protocol])
    assert parting.answer.startswith(answer)
    assert parting.words.harmless[1] not in parting.answer
    assert parting.is_for(MISBEHAVED)


# Commands that are refused; the dialogue goes on.


@pytest.mark.parametrize("command", [b"", b"NOOP", b"* NOOP", b"+ NOOP", b"a{ NOOP", b"a  NOOP", b"a", b"alice secret"])
def test_line_without_a_tag_and_a_command_gets_bad(site: Site, command: bytes) -> None:
    words = WORDS[0]
    with site.client(words) as connection:
        connection.sendall(line(command, words.goodbye[0]))
        answer, session = site.end(connection)
    first, _, rest = answer.partition(b"\r\n")
    assert b" BAD " in first
    assert b"secret" not in first
    assert rest.startswith(words.goodbye[1])
    assert session["termination"] == PARTED


def test_refused_commands_get_the_answer_of_the_protocol(site: Site) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        eight_bit = words.unknown[0] + b" \xff\xfe\x80", words.unknown[1]
        for command, refusal in (*words.logins, words.starttls_with_argument, words.unknown, eight_bit):
            connection.sendall(line(command))
            answer = read_line(connection)
            assert answer.startswith(refusal), (words.protocol, command, answer)
        connection.sendall(line(words.goodbye[0]))

    for parting in partings(site, send):
        assert parting.answer.startswith(parting.words.goodbye[1]), parting
        assert parting.is_for(PARTED), parting


def test_pipelined_commands_are_all_answered(site: Site) -> None:
    def dialogue(words: Words) -> list[tuple[bytes, bytes]]:
        return [words.unknown, words.harmless, words.logins[0], words.starttls_with_argument, words.goodbye]

    def send(connection: socket.socket, words: Words) -> None:
        connection.sendall(line(*(command for command, _ in dialogue(words))))

    for parting in partings(site, send):
        position = 0
        for _, reply in dialogue(parting.words):
            position = parting.answer.index(reply, position) + 1
        assert parting.is_for(PARTED), parting


# STARTTLS and what comes with it.


def injected(words: Words) -> Mapping[str, bytes]:
    """Bytes that an attacker may inject after STARTTLS."""
    return {
        "command": line(words.harmless[0]),
        "login": line(words.logins[0][0]),
        "second STARTTLS": line(words.starttls[0]),
        "one byte": b"N",
        "TLS": b"\x16\x03\x01",
    }


@pytest.mark.parametrize("what", ["command", "login", "second STARTTLS", "one byte", "TLS"])
def test_injection_with_starttls_closes_without_a_word(site: Site, what: str) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        connection.sendall(line(words.starttls[0]) + injected(words)[what])

    for parting in partings(site, send):
        assert parting.answer == b"", parting
        assert parting.is_for(MISBEHAVED, "after STARTTLS"), parting


@pytest.mark.parametrize("what", ["command", "login", "second STARTTLS", "one byte"])
def test_injection_after_starttls_closes_without_a_word(site: Site, what: str) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        start_tls(connection, words)
        connection.sendall(injected(words)[what])

    for parting in partings(site, send):
        assert parting.answer == b"", parting
        assert parting.session["termination"] == MISBEHAVED, parting
        assert parting.session["reason"] == "bytes after STARTTLS that are not TLS", parting


def test_injections_are_counted(front: StartFront, recorder: StartRecorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="starttls", capabilities=["IMAP4rev1"])
    running = front(configuration)
    for sent in (b"a STARTTLS\r\nb NOOP\r\n", b"a STARTTLS\r\nb LOGIN alice secret\r\n"):
        with connect(port) as connection:
            read_greeting(connection)
            connection.sendall(sent)
            until_end(connection)
    running.terminate()
    running.wait()
    assert "2 injections" in running.output


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(bytes(256), id="zeros"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n", id="HTTP"),
        pytest.param(bytes(range(256)) * 4096, id="a mebibyte"),
        pytest.param(garbage_record(), id="a record that is no handshake"),
        pytest.param(endless_client_hello(), id="a hello without an end"),
        pytest.param(b"\x16NOOP\r\n", id="a command with the first byte of TLS"),
    ],
)
def test_garbage_instead_of_a_handshake_closes(site: Site, garbage: bytes) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        start_tls(connection, words)
        with contextlib.suppress(OSError):  # it need not take all of it
            connection.sendall(garbage)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    for parting in partings(site, send):
        assert parting.answer == b"" or parting.answer[0] == 0x15, parting  # an alert at most (RFC 8446 section 5.1)
        assert parting.is_for(MISBEHAVED), parting


# Clients that go, or say nothing.


def test_client_that_ends_its_direction_gets_its_answers(site: Site) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        connection.sendall(line(words.harmless[0]))
        connection.shutdown(socket.SHUT_WR)

    for parting in partings(site, send):
        assert parting.answer.startswith(parting.words.harmless[1]), parting
        assert parting.is_for(GONE), parting


@pytest.mark.parametrize("is_in_starttls", [False, True])
def test_client_that_ends_its_direction_at_once_is_closed(site: Site, is_in_starttls: bool) -> None:
    def send(connection: socket.socket, words: Words) -> None:
        if is_in_starttls:
            start_tls(connection, words)
        connection.shutdown(socket.SHUT_WR)

    for parting in partings(site, send):
        assert parting.answer == b"", parting
        assert parting.is_for(GONE), parting


def test_silent_client_is_answered_and_closed(impatient_site: Site) -> None:
    for parting in partings(impatient_site, lambda connection, words: None):
        assert parting.answer.startswith(parting.words.late), parting
        assert parting.answer.count(b"\r\n") == bool(parting.words.late), parting
        assert parting.is_for(TOO_SLOW), parting
        assert SECONDS * 1000 <= parting.session["total_ms"] < 8 * SECONDS * 1000, parting


def test_client_that_is_silent_in_a_line_is_answered_and_closed(impatient_site: Site) -> None:
    for parting in partings(impatient_site, lambda connection, words: connection.sendall(words.starttls[0])):
        assert parting.answer.startswith(parting.words.late), parting
        assert parting.is_for(TOO_SLOW), parting


def test_client_that_is_silent_after_starttls_is_closed(impatient_site: Site) -> None:
    for parting in partings(impatient_site, start_tls):
        assert parting.answer == b"", parting
        assert parting.is_for(TOO_SLOW), parting


def test_client_that_chats_without_end_is_closed_in_time(impatient_site: Site) -> None:
    received: dict[str, bytes] = {}

    def send(connection: socket.socket, words: Words) -> None:
        connection.settimeout(SECONDS / 5)
        answer = b""
        for _ in range(20):
            with contextlib.suppress(TimeoutError, OSError):
                connection.sendall(line(words.harmless[0]))
                while data := connection.recv(4096):
                    answer += data
        received[words.protocol] = answer

    for protocol in PROTOCOLS:
        (parting,) = partings(impatient_site, send, [protocol])
        assert parting.is_for(TOO_SLOW), parting
        assert received[protocol].endswith(b"\r\n")


Leave = Callable[[socket.socket, Words, Certificates], None]


def after_greeting(connection: socket.socket, words: Words, pki: Certificates) -> None:
    """Say nothing."""


def in_a_line(connection: socket.socket, words: Words, pki: Certificates) -> None:
    connection.sendall(words.starttls[0])


def before_the_answer(connection: socket.socket, words: Words, pki: Certificates) -> None:
    connection.sendall(line(words.harmless[0]))


def before_the_agreement(connection: socket.socket, words: Words, pki: Certificates) -> None:
    connection.sendall(line(words.starttls[0]))


def before_the_handshake(connection: socket.socket, words: Words, pki: Certificates) -> None:
    start_tls(connection, words)


def in_the_hello(connection: socket.socket, words: Words, pki: Certificates) -> None:
    start_tls(connection, words)
    connection.sendall(client_hello(pki.client())[:64])


def after_the_hello(connection: socket.socket, words: Words, pki: Certificates) -> None:
    start_tls(connection, words)
    connection.sendall(client_hello(pki.client()))
    connection.recv(1)


@pytest.mark.parametrize(
    "leave",
    [
        after_greeting,
        in_a_line,
        before_the_answer,
        before_the_agreement,
        before_the_handshake,
        in_the_hello,
        after_the_hello,
    ],
    ids=lambda leave: leave.__name__,
)
def test_client_that_resets_the_connection_is_forgotten(site: Site, pki: Certificates, leave: Leave) -> None:
    for words in WORDS:
        with site.client(words) as connection:
            client = connection.getsockname()
            leave(connection, words, pki)
            reset(connection)
            session = site.front.session(client)
        assert session["termination"] in (GONE, MISBEHAVED), words.protocol


def test_client_that_resets_before_it_is_greeted_is_forgotten(site: Site) -> None:
    for words in WORDS:
        connection = site.connect(words)
        client = connection.getsockname()
        reset(connection)
        assert site.front.session(client)["termination"] == GONE, words.protocol
    assert site.backend.connections == []
