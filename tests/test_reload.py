"""Reloads of the service: what changes in place, what stays, and what an error leaves alone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from mailproxy.config import ConfigError, Log, difference, load
from mailproxy.config.target import SyslogSocket
from mailproxy.control import observe
from mailproxy.front import reloading
from mailproxy.front.prepare import Prepared, prepare
from mailproxy.front.reading import read
from mailproxy.front.reload_queue import Reloaded, ReloadRefused
from mailproxy.front.sockets import StartError
from tests.running import FakeLog, Running

FILE = """
[frontend.front]
bind = ["{folder}/front.sock"]
protocol = "imap"
tls = "none"
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
tls = "none"
backend = "dovecot"
"""

HALF = FILE + "weight = 50\n"
"""The same with half the weight for the server."""


class Front(Running):
    """A service that runs by a file, which the test writes again and again."""

    def prepare(self, folder: Path, **settings: Any) -> Prepared:
        self.open_clients: list[socket.socket] = []
        self.folder = folder
        self.file = folder / "mailproxy.toml"
        self.write(FILE)
        return prepare(load(self.file), str(self.file))

    def write(self, text: str) -> None:
        """Replace the whole configuration."""
        new = self.file.with_suffix(".new")
        new.write_text(text.format(folder=self.folder, port=self.server.getsockname()[1]))
        new.rename(self.file)

    def reload(self, text: str | None = None) -> Reloaded:
        """Reload, and return what changed; or raise what the reload failed with."""
        if text is not None:
            self.write(text)
        return self.outcome(self.service.reload())

    def outcome(self, done: Deferred[Reloaded]) -> Reloaded:
        reported: list[Any] = []
        done.addCallbacks(reported.append, lambda failure: reported.append(failure.value))
        self.until(lambda: reported)
        if isinstance(reported[0], BaseException):
            raise reported[0]
        assert isinstance(reported[0], Reloaded)
        return reported[0]

    def socket(self, name: str) -> socket.socket:
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(self.folder / name))
            stack.pop_all()
        return sock

    def words(self, *kinds: str) -> list[str]:
        return [formatEvent(event) for event in self.events if event.get("event") in kinds]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with ExitStack() as stack:
        events: Any = stack.enter_context(capturedLogs())
        made = Front(tmp_path, events)
        stack.callback(made.close)
        made.start()
        yield made
        for sock in made.open_clients:
            sock.close()
        assert [event["log_failure"] for event in events if "log_failure" in event] == []


def test_nothing_new_is_no_change(front: Front) -> None:
    assert front.reload() == Reloaded(())
    front.relay()


def test_frontend_comes_and_goes(front: Front) -> None:
    assert list(map(str, front.reload(FILE + POP3).differences)) == ["+ frontend pop3"]
    with front.socket("pop3.sock"):
        front.until(lambda: front.service.frontends[-1].counters.connections)
    assert list(map(str, front.reload(FILE).differences)) == ["- frontend pop3"]
    assert not (front.folder / "pop3.sock").exists()
    assert front.words("closed") == ["frontend pop3 is closed: 1 connection"]


def test_changes_are_reported_by_a_line_each_and_what_is_new_listens(front: Front) -> None:
    front.events.clear()
    front.reload("maxconn = 7\n" + HALF + POP3)
    assert front.words("reload", "change", "listening", "reloaded") == [
        f"reading {front.file} again",
        f"frontend pop3 listens on {front.folder}/pop3.sock, protocol pop3, tls none, backend dovecot",
        "~ maxconn: 0 -> 7",
        "+ frontend pop3",
        "~ backend dovecot: weight of d1 100 -> 50",
        "reloaded",
    ]


def test_sessions_keep_what_they_began_with(front: Front) -> None:
    client, server = front.relay()
    front.reload(FILE.replace('imap"\n', 'imap"\ntimeout = {{ client = "1s", server = "1s" }}\n'))
    front.advance(5.0)
    server.send(b"* 1 EXISTS\r\n")
    front.until(lambda: client.data.endswith(b"EXISTS\r\n"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FILE[:50], r"is not TOML"),
        (FILE.replace('"imap"', '"imaps"'), r"frontend\.front\.protocol: is .imaps."),
        (
            '[tls.default]\ncertificates = ["/nowhere.pem"]\n' + FILE.replace('"none"\nbackend', '"implicit"\nbackend'),
            r"tls\.default\.certificates: /nowhere\.pem: does not exist",
        ),
    ],
)
def test_error_changes_nothing_and_is_reported_in_full(front: Front, text: str, problem: str) -> None:
    client, server = front.relay()
    with pytest.raises(ConfigError, match=problem) as caught:
        front.reload(text)
    assert front.words("problem") == str(caught.value).splitlines()
    server.send(b"* 1 EXISTS\r\n")
    front.until(lambda: client.data.endswith(b"EXISTS\r\n"))
    front.relay()
    assert front.reload(FILE) == Reloaded(())


def test_socket_that_cannot_be_changes_nothing(front: Front) -> None:
    (front.folder / "pop3.sock").write_text("something else")
    with pytest.raises(
        StartError, match=r"frontend\.pop3\.bind: cannot listen on .*pop3\.sock: Address already in use"
    ):
        front.reload(HALF + POP3)
    assert front.words("problem")[0].startswith("frontend.pop3.bind: cannot listen")
    assert front.service.frontends[0].terms.backend.pool.servers[0].weight == 100
    front.relay()


def test_log_changes_in_place(front: Front) -> None:
    log = front.service.process_log = FakeLog()
    front.reload('[log]\nformat = "json"\nlevel = "warn"\ntarget = "syslog"\n' + FILE)
    assert [settings.log for settings in log.configured] == [Log("json", "warn", SyslogSocket())]


def test_time_to_stop_is_that_of_the_last_reading(front: Front) -> None:
    front.relay()
    front.reload('hard-stop-after = "1m"\n' + FILE)
    front.stop()
    assert front.words("stopping") == ["stopping, with up to 60 s for 1 session"]


def test_warnings_are_reported_when_they_are_new(front: Front) -> None:
    spare = FILE + '[backend.spare.server.d1]\naddress = "10.0.0.1:143"\n'
    warnings = [front.reload(spare).warnings for _ in range(2)]
    assert front.words("warning") == list(warnings[0]) == list(warnings[1])
    assert any("backend.spare" in warning for warning in warnings[0])


# Its time.


@pytest.fixture
def held(front: Front, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Readings that do not end before the test says so."""
    go = Event()

    def read_later(*known: Any) -> Any:
        go.wait(10)
        return read(*known)

    monkeypatch.setattr(reloading, "read", read_later)
    yield go.set
    go.set()


def test_sessions_continue_while_files_are_read(front: Front, held: Callable[[], None]) -> None:
    front.write(FILE + POP3)
    reload = front.service.reload()
    front.relay()
    held()
    assert list(map(str, front.outcome(reload).differences)) == ["+ frontend pop3"]


def test_last_of_many_reloads_wins(front: Front, held: Callable[[], None]) -> None:
    first = front.service.reload()
    front.write(FILE + POP3)
    later = [front.service.reload() for _ in range(3)]
    held()
    front.outcome(first)
    outcomes = [front.outcome(one) for one in later]
    assert front.service.frontends[-1].name == "pop3"
    assert outcomes[0] is outcomes[1] is outcomes[2]
    assert len(front.words("reloaded")) == 2


def test_stop_does_not_wait_for_a_reload(front: Front, held: Callable[[], None]) -> None:
    front.write(FILE + POP3)
    reload = front.service.reload()
    front.stop()
    assert front.has_stopped
    with pytest.raises(ReloadRefused, match="mailproxy stops"):
        front.outcome(reload)
    held()
    front.until(lambda: front.reactor.has_turned)
    assert not (front.folder / "pop3.sock").exists()
    with pytest.raises(ReloadRefused):
        front.reload()


def test_reading_that_takes_for_ever_is_given_up(front: Front, held: Callable[[], None]) -> None:
    reload = front.service.reload()
    front.reactor.advance(reloading.READ_SECONDS)
    with pytest.raises(ReloadRefused, match="took longer than 300 s"):
        front.outcome(reload)
    held()
    front.until(lambda: front.reactor.has_turned)
    assert front.reload(FILE) == Reloaded(())


def test_reload_before_the_start_is_refused(tmp_path: Path) -> None:
    with capturedLogs() as events:
        front = Front(tmp_path, events)  # type: ignore[arg-type]  # a sequence that grows
        with pytest.raises(ReloadRefused):
            front.outcome(front.service.reload())
        front.close()


def test_what_needs_a_restart_is_reported_until_there_is_one(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = difference._fields

    def marked(model: Any) -> Iterator[tuple[str, str, bool]]:
        for field, key, needs_restart in fields(model):
            yield field, key, needs_restart or field == "maxconn"

    monkeypatch.setattr(difference, "_fields", marked)
    for text in ("maxconn = 50\n" + FILE, "maxconn = 50\n" + FILE + POP3):
        reloaded = front.reload(text)
        assert [str(one) for one in reloaded.differences if one.needs_restart] == ["~ maxconn: 0 -> 50"]
    assert "~ maxconn: 0 -> 50, which takes effect when mailproxy is restarted" in front.words("change")
    assert not any(one.needs_restart for one in front.reload(FILE).differences)


def test_admins_get_what_the_service_started_with_while_it_matters(front: Front) -> None:
    first = front.service.started.text
    assert observe.configuration(front.service).started is None
    front.reload("workers = 2\n" + FILE)
    assert observe.configuration(front.service).started == first
    front.reload("maxconn = 7\n" + FILE)
    assert observe.configuration(front.service).started is None


def test_reload_under_way_is_reported_with_its_duration(front: Front) -> None:
    done = front.service.reload()
    front.reactor.advance(3.0)
    info = observe.info(front.service, 0)
    assert (info.reload, info.reload_s) == ("running", 3.0)
    front.outcome(done)
    assert observe.info(front.service, 0).reload == "success"


def test_reloads_are_counted_by_result(front: Front) -> None:
    reloading = front.service.reloading
    began = reloading.last_success
    reloading.wall = lambda: began + 10.0
    with pytest.raises(ConfigError):
        front.reload("[")
    assert (reloading.succeeded, reloading.failed, reloading.last_success) == (0, 1, began)
    assert not reloading.is_ok
    front.reactor.advance(5.0)
    info = observe.info(front.service, 0)
    assert (info.reload, info.reload_s) == ("failure", 5.0)
    assert info.reload_problem == reloading.problem != ""
    front.reload(HALF)
    assert (reloading.succeeded, reloading.failed, reloading.last_success) == (1, 1, began + 10.0)
    assert reloading.is_ok
    info = observe.info(front.service, 0)
    assert (info.reload, info.reload_problem) == ("success", "")


def test_reason_of_a_failed_reload_has_the_first_of_several_problems(front: Front) -> None:
    with pytest.raises(ConfigError) as caught:
        front.reload("maxconn = -1\nworkers = -1\n" + FILE)
    first, _ = caught.value.problems
    assert front.service.reloading.problem == f"{caught.value.source}: 2 problems, the first: {first}"


def limited(most: int, more: str = "") -> str:
    """A configuration for clients of an address, with a limit of each source."""
    text = FILE.replace('"{folder}/front.sock"', '"127.0.0.1:0"')
    return text + f"\n[limits]\nsource-connections = {most}\n{more}"


def come(front: Front) -> bool:
    """Connect a client; return whether it was let in."""
    (frontend,) = front.service.frontends
    counters = frontend.counters
    (address,) = front.service.process_state.sockets.addresses(front.service.generation.settings.frontends)["front"]
    front.open_clients.append(socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))))
    front.until(lambda: frontend.counters != counters)
    return frontend.counters.connections > counters.connections


def test_limits_change_in_place_and_what_is_counted_stays(front: Front) -> None:
    front.reload(limited(2))
    assert [come(front) for _ in range(3)] == [True, True, False]
    assert list(map(str, front.reload(limited(3)).differences)) == ["~ limits: source-connections 2 -> 3"]
    assert [come(front) for _ in range(2)] == [True, False]


def test_size_of_the_table_changes_with_a_restart(front: Front) -> None:
    front.reload(limited(2))
    (difference,) = front.reload(limited(2, "sources = 5000\n")).differences
    assert difference.needs_restart
