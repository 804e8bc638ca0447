"""The answers of a running service to commands, and their effects."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed

from mailproxy.bans.breadth import BroadBans
from mailproxy.config import Backend, Check, ConfigError, Frontend, InetServer, Limits, NamedServer, Problem, Server
from mailproxy.config.condition import Condition
from mailproxy.config.difference import Difference
from mailproxy.config.rule import Rule
from mailproxy.control.answers import Answers
from mailproxy.control.argument import STAGES
from mailproxy.control.command import BY_NAME
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.live_bytes import COUNT_SECONDS
from mailproxy.front.reload_queue import Reloaded, ReloadRefused
from mailproxy.front.sockets import StartError
from mailproxy.front.stop import LEAVE_SPREAD_SECONDS
from mailproxy.networks.network_list import NetworkList
from mailproxy.networks.network_set import NetworkSet
from mailproxy.session import arrival, conversation, handshake, parting, relay, tarpit, waiting
from mailproxy.session.stage import Stage
from mailproxy.transport.newcomers import HANDSHAKE_SECONDS
from tests.control.bench import Admin, admin_of
from tests.control.conftest import Make
from tests.running import ANY_PORT, LOOPBACK, Running
from tests.session.bench import GREETING

CHECK = Check(type="tcp", inter=1e9, fall=1, rise=1, jitter=0)


def admin(running: Running) -> Admin:
    return admin_of(running.service, running.reactor)


def imap_and_pop3(make: Make, *servers: Server) -> Running:
    """Two frontends with a backend of these servers, without connections."""
    frontends = tuple(
        Frontend(name=name, bind=(ANY_PORT,), protocol=name, tls="none", backend="pool") for name in ("imap", "pop3")
    )
    return make(frontends=frontends, backends={"pool": Backend(name="pool", send_proxy="none", servers=servers)})


def server(name: str = "d1", **keys: Any) -> Server:
    settings: dict[str, Any] = {"name": name, "address": InetServer(LOOPBACK, 1)}
    return Server(**settings | keys)


@pytest.fixture
def running(make: Make) -> Running:
    return make()


def test_every_command_has_an_action(running: Running) -> None:
    assert set(Answers(running.service, lambda: 0).actions) == set(BY_NAME)


# What it says of itself.


def test_info_reports_the_process(running: Running) -> None:
    running.relay()
    (row,) = admin(running).rows("show info")
    assert (row["state"], row["sessions"], row["connections"], row["readings"]) == ("running", 1, 1, 1)


def test_frontend_says_where_it_listens_and_what_happened(running: Running) -> None:
    running.relay()
    (row,) = admin(running).rows("show frontends")
    host, port = running.listening[0].getsockname()
    assert (row["frontend"], row["state"], row["listens"]) == ("front", "open", [f"{host}:{port}"])
    assert (row["current"], row["connections"], row["sessions"]) == (1, 1, 1)


def test_frontend_has_the_bytes_of_its_sessions(running: Running) -> None:
    running.relay()
    running.advance(COUNT_SECONDS)
    (row,) = admin(running).rows("show frontends")
    assert (row["bytes_in"], row["bytes_out"]) == (0, len(GREETING))


def test_backend_says_who_may_be_picked(make: Make) -> None:
    running = imap_and_pop3(make, server(), server("d2", backup=True))
    rows = admin(running).rows("show backends")
    assert [(row["backend"], row["protocol"], row["state"], row["active"], row["backup"]) for row in rows] == [
        ("pool", "imap", "up", 1, 1),
        ("pool", "pop3", "up", 1, 1),
    ]


def test_server_says_how_it_is_and_why(make: Make) -> None:
    running = imap_and_pop3(make, server(check=CHECK, weight=7, maxconn=3))
    pool = running.service.generation.backends["pool", "imap"].pool
    pool.failed(pool.servers[0], running.reactor.seconds(), "refused")
    running.reactor.advance(5)
    down, up = admin(running).rows("show servers")
    assert (down["server"], down["protocol"], down["address"]) == ("d1", "imap", "127.0.0.1:1")
    assert (down["state"], down["since_s"], down["why"], down["downtimes"]) == ("down", 5.0, "refused", 1)
    assert (down["check"], down["check_counts"], down["checked_s"]) == ("tcp", "0/1", 5.0)
    assert (down["weight"], down["share"], down["maxconn"], down["is_backup"]) == (7, 0, 3, False)
    assert (up["protocol"], up["state"], up["since_s"], up["check_counts"]) == ("pop3", "up", None, "1/1")


def test_server_without_an_address_says_so(make: Make) -> None:
    running = imap_and_pop3(make, server(address=NamedServer("imap.example.org", 143)))
    assert {(row["state"], row["address"]) for row in admin(running).rows("show servers")} == {("no-address", None)}


def test_session_says_who_it_is_and_what_it_does(make: Make) -> None:
    running = make(tls="implicit")
    client, _ = running.relay(tls=True)
    running.reactor.advance(3)
    (row,) = admin(running).rows("show sessions")
    host, port = client.socket.getsockname()
    assert (row["frontend"], row["client"], row["backend"], row["server"]) == (
        "front",
        f"{host}:{port}",
        "dovecot",
        "d1",
    )
    assert (row["stage"], row["age_s"], row["idle_s"]) == ("relay", pytest.approx(3, abs=1), pytest.approx(3, abs=1))
    assert (row["tls"], row["sni"], row["verify"], row["cn"]) == ("TLSv1.3", "mail.example.org", None, None)
    assert (row["bytes_in"], row["bytes_out"]) == (0, len(GREETING))


def test_certificate_says_how_long_it_is_valid(make: Make) -> None:
    (row,) = admin(make(tls="implicit")).rows("show certificates")
    assert (row["profile"], row["names"], row["key"]) == ("default", ["mail.example.org"], "EC256")
    assert row["days_left"] > 0


def test_refused_certificate_is_reported_beside_the_one_in_use(make: Make) -> None:
    running = make(tls="implicit")
    store = running.service.process_state.certificates
    (path,) = (certificate.path for certificate in store.in_use["default"])
    (entry,) = running.service.generation.settings.tls["default"].certificates
    (row,) = admin(running).rows("show certificates")
    assert (row["refused"], row["refused_s"], row["is_previous"]) == ("", None, False)
    Path(path).write_bytes(b"")
    store.read({"default": [entry]})
    (row,) = admin(running).rows("show certificates")
    assert row["names"] == ["mail.example.org"]
    assert row["refused"] == f"{path}: has no certificate (no -----BEGIN CERTIFICATE-----)"
    assert row["refused_s"] < 60
    assert row["is_previous"]


def test_configuration_is_reported_in_its_own_words(running: Running) -> None:
    generation = running.service.generation
    generation.settings = evolve(generation.settings, text="# mine\n")
    (row,) = admin(running).rows("show config")
    assert row["text"] == "# mine\n"


@pytest.mark.parametrize(
    ("filters", "is_there"),
    [
        ({"client": "127.0.0.0/8"}, True),
        ({"client": "127.0.0.1"}, True),
        ({"client": "192.0.2.1"}, False),
        ({"client": "::/0"}, False),
        ({"client": "unix"}, False),
        ({"frontend": "front"}, True),
        ({"frontend": "other"}, False),
        ({"backend": "dovecot"}, True),
        ({"backend": "other"}, False),
        ({"server": "dovecot/d1"}, True),
        ({"server": "dovecot/d2"}, False),
        ({"sni": "Mail.Example.org"}, True),
        ({"sni": "example.org"}, False),
        ({"cn": "alice"}, False),
        ({"stage": "relay"}, True),
        ({"stage": "handshake"}, False),
        ({"older_than": "10s"}, True),
        ({"older_than": "10m"}, False),
        ({"idle_for": "10s"}, True),
        ({"idle_for": "10m"}, False),
        ({"frontend": "front", "stage": "handshake"}, False),
    ],
)
def test_session_is_shown_if_it_passes_all_filters(make: Make, filters: dict[str, str], is_there: bool) -> None:
    running = make(tls="implicit")
    running.relay(tls=True)
    running.reactor.advance(30)
    assert len(admin(running).rows("show sessions", **filters)) == is_there


def test_every_stage_has_its_name() -> None:
    found = {
        stage.__name__.lower()
        for module in (arrival, conversation, handshake, parting, relay, tarpit, waiting)
        for stage in vars(module).values()
        if isinstance(stage, type) and issubclass(stage, Stage) and stage is not Stage
    }
    assert found == set(STAGES)


# What it does.


def states(running: Running) -> Iterator[tuple[str, float, float]]:
    for backend in running.service.generation.backends.values():
        for one in backend.pool.servers:
            yield one.state, one.asked_weight, one.share


def test_state_holds_for_all_protocols(make: Make) -> None:
    running = imap_and_pop3(make, server())
    words = admin(running).reply("set server state", server="pool/d1", state="drain")
    assert words == "server pool/d1: state ready -> drain"
    assert list(states(running)) == [("drain", 100, 0)] * 2
    (event,) = running.logged("ctl")
    assert event["who"] == "by user 0, process 1"


@pytest.mark.parametrize(
    ("state", "why"), [("drain", "by hand"), ("maint", "by hand"), ("ready", "made ready by hand")]
)
def test_reason_of_a_state_says_if_it_restricts(make: Make, state: str, why: str) -> None:
    running = imap_and_pop3(make, server())
    admin(running).reply("set server state", server="pool/d1", state="drain" if state == "ready" else "ready")
    admin(running).reply("set server state", server="pool/d1", state=state)
    backends = running.service.generation.backends.values()
    assert [one.why for backend in backends for one in backend.pool.servers] == [why] * 2


@pytest.mark.parametrize(("weight", "now"), [("7", 7), ("0", 0), ("50%", 40), ("1000%", 256)])
def test_weight_is_absolute_or_of_the_configured_one(make: Make, weight: str, now: float) -> None:
    running = imap_and_pop3(make, server(weight=80))
    words = admin(running).reply("set server weight", server="pool/d1", weight=weight)
    assert words == f"server pool/d1: weight 80 -> {now}"
    assert list(states(running)) == [("ready", now, now)] * 2


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ("pool/d2", 'backend "pool" has no server "d2"; there is "d1"'),
        ("poool/d1", 'there is no backend "poool" in use; did you mean "pool"?'),
        ("zzz/d1", 'there is no backend "zzz" in use; there is "pool"'),
    ],
)
@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("set server state", {"state": "maint"}),
        ("set server weight", {"weight": "1"}),
        ("check now", {}),
        ("drain server", {}),
    ],
)
def test_unknown_server_is_reported_with_the_nearest_name(
    make: Make, command: str, more: dict[str, str], server: str, sentence: str
) -> None:
    running = imap_and_pop3(make, Server(name="d1", address=InetServer(ip_address("127.0.0.1"), 1)))
    assert admin(running).reply(command, server=server, **more) == sentence


def test_session_ends_politely(running: Running) -> None:
    client, _ = running.relay()
    one = admin(running)
    (row,) = one.rows("show sessions")
    running.advance(1)
    assert one.reply("shutdown session", session=row["id"]) == f"session {row['id']} ends"
    running.until(lambda: client.fin)
    assert client.data.startswith(GREETING + b"* BYE ")
    assert "is already ending" in one.reply("shutdown session", session=row["id"])
    client.end()
    running.advance(1)
    (event,) = running.logged("session")
    assert (event["termination"], event["reason"]) == ("KD", "ended by hand")
    for id in (row["id"], f"1{row['id']}", "", "-", "x-y"):
        assert one.reply("shutdown session", session=id).startswith("there is no session")


def test_check_is_answered_with_its_outcome(make: Make) -> None:
    running = imap_and_pop3(make, server(check=CHECK))
    one = admin(running)
    one.send(command="check now", server="pool/d1")
    running.advance(1)
    *rows, done = one.lines()
    assert [(row["server"], row["protocol"], row["ok"]) for row in rows] == [
        ("d1", "imap", False),
        ("d1", "pop3", False),
    ]
    assert "refused" in rows[0]["says"]
    assert done["type"] == "done"


def test_check_of_a_server_without_checks_is_refused(running: Running) -> None:
    words = admin(running).reply("check now", server="dovecot/d1")
    assert words == 'server dovecot/d1 is not checked: its check has type = "none"'


def test_frontend_is_drained_and_enabled(running: Running) -> None:
    one = admin(running)
    running.relay()
    one.ask("drain frontend", frontend="front")
    running.advance(HANDSHAKE_SECONDS)
    one.turn()
    (done,) = one.lines()
    assert done["message"] == "frontend front accepts no clients, 1 session left"
    (row,) = one.rows("show frontends")
    assert (row["state"], row["listens"], row["current"]) == ("drain", [], 1)
    assert one.reply("enable frontend", frontend="front") == "frontend front accepts clients"
    assert one.rows("show frontends")[0]["state"] == "open"
    assert one.reply("drain frontend", frontend="frnt") == 'there is no frontend "frnt"; did you mean "front"?'


def test_drain_of_a_frontend_is_answered_when_no_process_accepts(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: Deferred[int] = Deferred()
    monkeypatch.setattr(running.service.drains, "frontend", lambda name, **ignored: drained)
    one = admin(running)
    assert one.ask("drain frontend", frontend="front") == []
    drained.callback(0)
    one.turn()
    (done,) = one.lines()
    assert done["message"] == "frontend front accepts no clients, 0 sessions left"


def test_server_is_drained_and_its_sessions_may_be_kicked(running: Running) -> None:
    client, _ = running.relay()
    words = admin(running).reply("drain server", server="dovecot/d1", kick="yes")
    assert words == "server dovecot/d1 gets no new sessions, 1 session left"
    running.advance(3)
    assert client.fin


# Reload and the end.


def test_reload_is_answered_with_what_changed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (Difference("+", "frontend pop3s"), Difference("~", "workers", ("0 -> 2",), needs_restart=True))
    monkeypatch.setattr(running.service, "reload", lambda: succeed(Reloaded(changes, ("mind this",))))
    assert admin(running).ask("reload") == [
        {"type": "row", "change": "+ frontend pop3s", "needs_restart": False, "is_warning": False},
        {"type": "row", "change": "~ workers: 0 -> 2", "needs_restart": True, "is_warning": False},
        {"type": "row", "change": "mind this", "needs_restart": False, "is_warning": True},
        {"type": "done", "rows": 3, "message": "reloaded, with 2 changes"},
    ]


@pytest.mark.parametrize(
    "error",
    [
        ConfigError([Problem("maxconn", "is wrong"), Problem("workers", "is wrong, too")], "a.toml"),
        StartError("cannot listen"),
        ReloadRefused("mailproxy stops"),
    ],
)
def test_reload_that_comes_to_nothing_says_why(
    running: Running, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(running.service, "reload", lambda: fail(error))
    assert admin(running).reply("reload") == str(error)


def test_stop_begins_when_the_answer_has_gone_out(running: Running) -> None:
    one = admin(running)
    assert one.reply("stop") == "the service stops"
    assert not running.service.stop.has_begun
    one.lose()
    assert running.service.stop.has_begun


def test_drain_has_times_of_its_own(running: Running) -> None:
    one = admin(running)
    assert one.reply("drain", timeout="1h", spread="10m") == "the service stops"
    assert not running.service.stop.has_begun
    one.lose()
    assert running.service.stop.times == StopTimes(timeout=3600.0, spread=600.0, hard=10.0)


def test_sockets_go_out_beside_their_addresses(running: Running) -> None:
    one = admin(running)
    rows = one.rows("hand over")
    port = running.listening[0].getsockname()[1]
    assert [row["address"] for row in rows] == [f"AF_INET 127.0.0.1:{port}"]
    assert one.transport.descriptors == [running.listening[0].fileno()]


def test_service_leaves_when_the_answer_has_gone_out(running: Running) -> None:
    one = admin(running)
    row, done = one.ask("leave", timeout="1h")
    assert row["left_s"] == 3600.0 + LEAVE_SPREAD_SECONDS + 10.0
    assert done["message"] == "the service leaves its sockets to another process"
    assert not running.service.stop.has_begun
    one.lose()
    assert running.service.stop.times == StopTimes(timeout=3600.0, spread=LEAVE_SPREAD_SECONDS, hard=10.0)


@pytest.mark.parametrize("command", ["hand over", "leave"])
def test_service_that_stops_gives_nothing_away(running: Running, command: str) -> None:
    running.relay()
    running.stop()
    assert admin(running).reply(command).startswith("the service is already stopping")


def test_service_that_stops_says_so(running: Running) -> None:
    running.relay()
    running.stop()
    one = admin(running)
    assert one.rows("show info")[0]["state"] == "stopping"
    assert one.rows("show frontends")[0]["state"] == "closing"
    assert one.reply("drain") == "the service is already stopping; `stop` ends its sessions at once"
    assert one.reply("stop") == "the sessions that are left end now"


# Sources.


def flooded(make: Make, **limits: Any) -> Running:
    """Three sources with 1, 2 and 3 connections in the last minute, of which the first one is open."""
    running = make(limits=Limits(**{"sources": 1000} | limits))
    (frontend,) = running.service.frontends
    gate = frontend.source_gate
    assert gate is not None
    for number in (1, 2, 3):
        for _ in range(number):
            assert gate.judge(bytes([192, 0, 2, number])) is None
            places = gate.take()
            if number > 1:
                gate.leave(places)
    return running


def test_sources_with_the_most_connections_come_first(make: Make) -> None:
    assert [(row["source"], row["connections"]) for row in admin(flooded(make)).rows("show sources")] == [
        ("192.0.2.1/32", 1)
    ]


def test_sources_are_sorted_by_rate(make: Make) -> None:
    rows = admin(flooded(make)).rows("show sources", by="rate")
    assert [(row["source"], row["rate"]) for row in rows] == [
        ("192.0.2.3/32", 3.0),
        ("192.0.2.2/32", 2.0),
        ("192.0.2.1/32", 1.0),
    ]


def test_number_of_sources_is_limited(make: Make) -> None:
    (row,) = admin(flooded(make)).rows("show sources", by="rate", limit="1")
    assert row["source"] == "192.0.2.3/32"


def test_sources_can_be_limited_to_a_network(make: Make) -> None:
    (row,) = admin(flooded(make)).rows("show sources", by="rate", client="192.0.2.2")
    assert row["source"] == "192.0.2.2/32"


def test_sources_are_networks_of_the_configured_size(make: Make) -> None:
    (row,) = admin(flooded(make, source_prefix_v4=24)).rows("show sources", by="rate")
    assert (row["source"], row["rate"], row["rate_s"]) == ("192.0.2.0/24", 6.0, 60.0)


def test_service_without_limits_counts_no_source(make: Make) -> None:
    assert "no source is counted" in admin(make()).reply("show sources")
    (row,) = admin(make()).rows("show info")
    assert row["sources"] is None


def test_frontend_without_limits_of_its_own_has_no_counts_of_its_own(make: Make) -> None:
    assert "no source is counted" in admin(flooded(make)).reply("show sources", frontend="front")
    assert "no frontend" in admin(flooded(make)).reply("show sources", frontend="nowhere")


def test_number_of_sources_that_is_none_is_refused(make: Make) -> None:
    assert "needs a whole number from 1 to 1000" in admin(flooded(make)).reply("show sources", limit="0")


def test_info_has_the_latest_reload_and_the_bans(make: Make) -> None:
    asked = admin(make())
    (row,) = asked.rows("show info")
    assert (row["reload"], row["reload_s"], row["reload_problem"]) == ("none", None, "")
    assert (row["workers"], row["bans"]) == (0, 0)
    asked.reply("ban", network="192.0.2.1")
    (row,) = asked.rows("show info")
    assert row["bans"] == 1


def test_info_has_the_lists_that_are_refused(make: Make) -> None:
    running = make()
    asked = admin(running)
    (row,) = asked.rows("show info")
    assert row["lists_refused"] == []
    running.service.process_state.lists.refuse("/a.txt", "/a.txt: is not a file")
    (row,) = asked.rows("show info")
    assert row["lists_refused"] == ["/a.txt: is not a file"]


def test_info_has_the_bans_that_are_much_of_the_internet(make: Make) -> None:
    running = make()
    asked = admin(running)
    (row,) = asked.rows("show info")
    assert row["bans_broad"] == []
    half = NetworkSet.of([ip_network("0.0.0.0/1")])
    running.service.process_state.bans.lists = (NetworkList("/drop.txt", half),)
    running.service.ban_breadth.finding = BroadBans("bans by ctl", "refuse all")
    (row,) = asked.rows("show info")
    assert [words.partition(";")[0] for words in row["bans_broad"]] == [
        "list /drop.txt: bans 50 % of all IPv4 addresses (2147483648)",
        "bans by ctl: refuse all",
    ]


def test_table_of_sources_has_its_size_in_info(make: Make) -> None:
    (row,) = admin(flooded(make)).rows("show info")
    assert (row["sources"], row["sources_evicted"], row["sources_uncounted"]) == (3, 0, 0)


# Rules.


def test_rules_are_shown_with_their_clients(make: Make) -> None:
    rules = (Rule(name="office", label="x", condition=Condition(port=(1,))), Rule(name="rule 2", bandwidth=1 << 20))
    frontend = Frontend(name="imap", bind=(ANY_PORT,), protocol="imap", tls="none", backend="pool", rules=rules)
    running = make(
        frontends=(frontend,), backends={"pool": Backend(name="pool", send_proxy="none", servers=(server(),))}
    )
    keys = ("frontend", "rule", "condition", "does", "clients")
    rows = [tuple(row[key] for key in keys) for row in admin(running).rows("show rules")]
    assert rows == [
        ("imap", "office", "port 1", "label x", 0),
        ("imap", "rule 2", "every client", "at most 1MiB/s", 0),
    ]
