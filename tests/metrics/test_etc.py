"""The alerts and the dashboard in etc/: they use what is exported, and are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailproxy.metrics.names import METRICS
from tests.metrics.page import PAGE

ETC = Path(__file__).parents[2] / "etc"
ALERTS = (ETC / "prometheus" / "alerts.yml").read_text()
ALERT_TESTS = (ETC / "prometheus" / "alerts.test.yml").read_text()
DASHBOARD: dict[str, Any] = json.loads((ETC / "grafana" / "mailproxy.json").read_text())

EXPORTED = {
    name: set(one.labels)
    for one in METRICS
    for name in (
        [f"{one.name}_count", f"{one.name}_sum", f"{one.name}_bucket"] if one.type == "histogram" else [one.name]
    )
}
EVERYWHERE = {"instance", "job", "le"}

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def texts(value: Any) -> Iterator[str]:
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from texts(below)


PLACES = {
    "alerts.yml": ALERTS,
    "alerts.test.yml": ALERT_TESTS,
    "mailproxy.json": "\n".join(texts(DASHBOARD)),
    "metrics.md": PAGE.read_text(),
}


@pytest.mark.parametrize("place", PLACES)
def test_only_what_is_exported_is_named(place: str) -> None:
    named = set(re.findall(r"\bmailproxy_\w+", PLACES[place]))
    families = {one.name for one in METRICS if one.type == "histogram"}  # tables and texts name them without a suffix
    assert named - set(EXPORTED) - families == set()


@pytest.mark.parametrize("place", PLACES)
def test_labels_are_those_of_the_metric(place: str) -> None:
    for name, matchers in re.findall(r"\b(mailproxy_\w+)\{([^}]*)\}", PLACES[place]):
        labels = set(re.findall(r"(\w+)\s*(?:=|!)", matchers))
        assert labels - EVERYWHERE - EXPORTED[name] == set(), name


def alerts() -> dict[str, str]:
    """The text of each alert."""
    _, *parts = re.split(r"(?m)^ +- alert: ", ALERTS)
    return {part.split("\n", 1)[0]: part for part in parts}


def test_alert_says_what_is_and_what_to_do_and_has_a_test() -> None:
    keys = ("severity: ", "summary: ", "description: ", "action: ")
    assert [(name, key) for name, text in alerts().items() for key in keys if key not in text] == []
    assert [name for name in alerts() if f'alertname="{name}"' not in ALERT_TESTS] == []


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_panels_ask_the_chosen_source_and_have_titles_of_their_own() -> None:
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles) > 30


def test_each_metric_that_changes_is_shown_or_watched() -> None:
    """What no panel and no alert has is a limit, a fact, or what a chosen panel has in other words."""
    elsewhere = PLACES["mailproxy.json"] + ALERTS
    unseen = {one.name for one in METRICS if one.family not in elsewhere}
    assert unseen == {
        "mailproxy_build_info",
        "mailproxy_stopping",
        "mailproxy_current_sessions",
        "mailproxy_max_sessions",
        "mailproxy_configurations",
        "mailproxy_process_start_time_seconds",
        "mailproxy_frontend_state",
        "mailproxy_frontend_retries_total",
        "mailproxy_backend_servers",
        "mailproxy_list_networks",
        "mailproxy_server_last_change_timestamp_seconds",
        "mailproxy_server_max_sessions",
        "mailproxy_server_weight",
        "mailproxy_server_sessions_total",
        "mailproxy_server_received_bytes_total",
        "mailproxy_server_sent_bytes_total",
        "mailproxy_sources_max",
        "mailproxy_sources_evicted_total",
        "mailproxy_sources_uncounted_total",
    }


def test_panel_of_rejections_counts_no_client_that_a_rule_only_routes() -> None:
    (panel,) = (one for one in PANELS if one["title"].startswith("Rejected by bans, limits and rules"))
    of_rules = panel["targets"][1]["expr"]
    assert "mailproxy_frontend_errors_total{" in of_rules
    assert 'error="ruled-out"' in of_rules
    assert "rule_hits" not in "\n".join(texts(panel))
