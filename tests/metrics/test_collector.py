"""What is collected of a running service."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mailproxy.backend.numbers import SERVER
from mailproxy.config import Limits
from mailproxy.counting.page import Pages
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.vitals import PROCESS
from mailproxy.metrics import frontends, servers
from mailproxy.metrics.collector import ServiceCollector
from mailproxy.metrics.names import METRICS
from mailproxy.process.counts import MainCounts
from mailproxy.service import ProxyService
from mailproxy.session.counters import UNSERVED
from mailproxy.session.log import DELAY_SECONDS
from mailproxy.session.numbers import COUNTERS, FRONTEND
from tests.config.builders import MISSING, read
from tests.control.conftest import Make
from tests.metrics.bench import Key, collected, open_metrics_of, parsed, parsed_open_metrics, samples, text_of, value
from tests.metrics.page import PAGE, SECTIONS, rows
from tests.running import Running, ThreadedReactor, configuration
from tests.session.bench import GREETING
from tests.test_reload import FILE, HALF, Front, front

FRONT = frozenset({("frontend", "front"), ("protocol", "imap")})

__all__ = ["front"]

COUNTED = ("_total", "_count", "_sum", "_bucket")


def relayed(running: Running, *, tls: bool = False) -> None:
    """Let a client have a session from its beginning to its end."""
    client, server = running.relay(tls=tls)
    client.send(b"a LOGOUT\r\n")
    running.until(lambda: server.data)
    client.end()
    server.end()
    running.until(lambda: not list(running.service.sessions))
    running.advance(DELAY_SECONDS + 0.1)


def test_each_metric_is_exported_as_it_is_defined(make: Make) -> None:
    metrics = parsed_open_metrics(open_metrics_of(ServiceCollector(make().service).parts()))
    exported = {metric.name: (metric.type, metric.documentation, metric.unit) for metric in metrics}
    assert exported == {one.family: (one.type, one.words, one.unit) for one in METRICS}


def test_labels_are_as_defined(make: Make) -> None:
    running = make(tls="implicit")
    relayed(running, tls=True)
    by_family = {one.family: one for one in METRICS}
    for metric in parsed_open_metrics(open_metrics_of(ServiceCollector(running.service).parts())):
        for sample in metric.samples:
            assert set(sample.labels) - {"le"} == set(by_family[metric.name].labels), sample


def test_names_follow_the_conventions() -> None:
    assert [one.name for one in METRICS if not one.name.startswith("mailproxy_")] == []
    lasting = [one for one in METRICS if one.type == "histogram" or "duration" in one.family]
    assert [one.name for one in lasting if one.unit != "seconds"] == []
    suffixes = ("_total", "_count", "_sum", "_bucket", "_info")
    assert [one.name for one in METRICS if one.family.endswith(suffixes)] == []


def test_words_are_sentences_that_fit_into_a_table() -> None:
    assert [one.name for one in METRICS if not one.words.endswith(".") or "|" in one.words] == []


@pytest.mark.parametrize("title", SECTIONS)
def test_page_has_each_metric(title: str) -> None:
    assert f"## {title}\n" in PAGE.read_text()
    assert rows(title) in PAGE.read_text(), "python -m tests.metrics.page writes the tables"


def test_each_number_that_is_counted_has_a_metric() -> None:
    """A new number gets a metric in mailproxy/metrics/; python -m tests.metrics.page writes the page."""
    none = [0] * max(FRONTEND.length, SERVER.length, PROCESS.length)
    of_frontend, of_server = FRONTEND.totals(none), SERVER.totals(none)
    assert set(of_frontend.numbers) == {*frontends.NUMBERS, *UNSERVED} >= set(COUNTERS)
    assert set(of_frontend.tables) == {*frontends.TABLES, frontends.ENDINGS}
    assert set(of_frontend.histograms) == set(frontends.HISTOGRAMS)
    assert set(of_server.numbers) == set(servers.NUMBERS)
    assert set(of_server.tables) == set(servers.TABLES)
    assert set(of_server.histograms) == set(servers.HISTOGRAMS)
    assert set(PROCESS.totals(none).numbers) == {"cpu", "lines_dropped"}


def test_session_is_in_the_metrics(make: Make) -> None:
    running = make(tls="implicit")
    relayed(running, tls=True)
    found = collected(running.service)
    front = {"frontend": "front", "protocol": "imap"}
    assert value(found, "mailproxy_frontend_connections_total", **front) == 1
    assert value(found, "mailproxy_frontend_sessions_total", **front) == 1
    assert value(found, "mailproxy_frontend_tls_handshakes_total", **front) == 1
    assert value(found, "mailproxy_frontend_tls_versions_total", **front, version="TLSv1.3") == 1
    assert value(found, "mailproxy_frontend_terminations_total", **front) == 1
    assert value(found, "mailproxy_frontend_received_bytes_total", **front) == len(b"a LOGOUT\r\n")
    assert value(found, "mailproxy_frontend_sent_bytes_total", **front) == len(GREETING)
    for histogram in ("session", "handshake", "connect", "first_byte"):
        assert value(found, f"mailproxy_frontend_{histogram}_duration_seconds_count", **front) == 1
    assert value(found, "mailproxy_server_sessions_total", server="d1") == 1


def test_state_of_servers_is_one_of_all(make: Make) -> None:
    running = make()
    (backend,) = running.service.generation.backends.values()
    backend.pool.set_state(backend.pool.servers[0], "maint", running.reactor.seconds(), "a test")
    found = collected(running.service)
    states = {
        dict(labels)["state"]: count for (name, labels), count in found.items() if name == "mailproxy_server_state"
    }
    assert states == {"up": 0, "drain": 0, "down": 0, "no-address": 0, "maint": 1}
    assert value(found, "mailproxy_server_last_change_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert value(found, "mailproxy_backend_up") == 0


def test_certificates_say_when_they_expire(make: Make) -> None:
    found = collected(make(tls="implicit").service)
    days = (value(found, "mailproxy_certificate_not_after_timestamp_seconds", profile="default") - time.time()) / 86400
    assert 0 < days < 1000


def test_bans_are_counted_by_origin(make: Make) -> None:
    running = make()
    running.service.bans.ban((bytes(4), 32), "ctl", "a test", 60.0)
    found = collected(running.service)
    assert [value(found, "mailproxy_bans", origin=origin) for origin in ("ctl", "crowdsec")] == [1, 0]


def test_rules_are_counted_by_name(make: Make, tmp_path: Path) -> None:
    office = tmp_path / "office.txt"
    office.write_text("127.0.0.0/8\n10.0.0.0/8\n")
    settings = read(
        frontend__imaps__rule=[{"name": "office", "if": {"source": [f"@{office}"]}, "refuse": "close"}],
        frontend__imaps__bind=["127.0.0.1:0"],
        frontend__imaps__tls="none",
        tls=MISSING,
    )
    running = make(frontends=settings.frontends, backends=settings.backends)
    running.client()
    running.until(lambda: not list(running.service.sessions) and running.service.frontends[0].counters.ruled_out)
    found = collected(running.service)
    assert value(found, "mailproxy_frontend_rule_hits_total", frontend="imaps", rule="office") == 1
    assert value(found, "mailproxy_frontend_errors_total", error="ruled-out") == 1
    assert value(found, "mailproxy_list_networks", path=str(office)) == 2


def test_list_that_is_refused_is_named(make: Make) -> None:
    running = make()
    assert "mailproxy_list_refused" not in {name for name, _ in collected(running.service)}
    running.service.process_state.lists.refuse("/a.txt", "/a.txt: is not a file")
    assert value(collected(running.service), "mailproxy_list_refused", path="/a.txt") == 1


def test_refused_logins_are_counted(make: Make) -> None:
    running = make()
    running.relay()
    (session,) = running.service.sessions
    session.logins_refused(2)
    assert value(collected(running.service), "mailproxy_frontend_refused_logins_total", frontend="front") == 2


def test_sources_are_counted(make: Make) -> None:
    running = make(limits=Limits(source_connections=50, sources=1000))
    relayed(running)
    found = collected(running.service)
    assert value(found, "mailproxy_sources") == 1
    assert value(found, "mailproxy_sources_max") >= 1000


def test_service_is_described(make: Make) -> None:
    running = make()
    found = collected(running.service)
    assert value(found, "mailproxy_build_info") == 1
    assert value(found, "mailproxy_start_time_seconds") == pytest.approx(time.time(), abs=60)
    assert value(found, "mailproxy_process_open_fds", process="main") > 3
    assert value(found, "mailproxy_workers") == 0
    assert value(found, "mailproxy_stopping") == 0
    running.service.stop.drain()
    assert value(collected(running.service), "mailproxy_stopping") == 1


def test_library_of_prometheus_collects_the_same_samples(make: Make) -> None:
    collector = ServiceCollector(make().service)
    registry = CollectorRegistry()
    registry.register(collector)
    mine, theirs = (
        set(samples(parsed(text))) for text in (text_of(collector.parts()), generate_latest(registry).decode())
    )
    assert mine == theirs


def counters(found: Mapping[Key, float]) -> Mapping[Key, float]:
    return {key: count for key, count in found.items() if key[0].endswith(COUNTED)}


def went_back(before: Mapping[Key, float], service: Any) -> list[Key]:
    """The counters that are less than before, or have gone."""
    after = collected(service)
    return [key for key, count in counters(before).items() if after.get(key, -1.0) < count]


def test_counters_do_not_go_back_with_a_reload(front: Front) -> None:
    relayed(front)
    before = collected(front.service)
    assert value(before, "mailproxy_frontend_sessions_total") == 1
    front.reload(HALF)
    assert went_back(before, front.service) == []
    assert value(collected(front.service), "mailproxy_reloads_total", result="success") == 1


def test_counters_continue_when_a_frontend_comes_back(front: Front) -> None:
    relayed(front)
    before = collected(front.service)
    front.reload(FILE.replace("[frontend.front]", "[frontend.other]").replace("front.sock", "other.sock"))
    assert ("mailproxy_frontend_sessions_total", FRONT) not in collected(front.service)
    front.reload(FILE)
    assert went_back(before, front.service) == []


def test_counters_do_not_go_back_when_a_worker_ends(tmp_path: Path) -> None:
    counts = MainCounts(Pages(2))
    prepared = prepare(configuration(tmp_path, 1), "here", ProcessState(counts))
    service = ProxyService(prepared, ThreadedReactor())
    block = counts.places.block
    for number, page in enumerate(counts.pages.all):
        for name in ("counter frontend front", "counter server dovecot imap d1", "counter process"):
            places = block(name)
            for place in range(places.start, places.stop):
                page[place] = place + number
    before = collected(service)
    counts.fold(1)
    assert went_back(before, service) == []
    assert counters(collected(service)) == counters(before)
    service.loop.poller.close()
